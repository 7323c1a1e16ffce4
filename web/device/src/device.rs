//! The device, and the functions that a page calls.
#![allow(unsafe_code)] // functions with names that a page can call

use crate::memory::zeros;
use autoencoder_core::adapt::{LearningMemory, gradients};
use autoencoder_core::front_end::{Section, Spec};
use autoencoder_core::{Network, Topology};
use autoencoder_device::flash::Nor;
use autoencoder_device::frame::frame_bytes;
use autoencoder_device::input::{SamplerBuffers, command_bytes};
use autoencoder_device::learn::{HELD_OUT, Learn, LearnerBuffers, record_bytes};
use autoencoder_device::store::slot_bytes;
use autoencoder_device::{App, Buffers, Learner, Sampler};
use core::mem::{self, MaybeUninit};

/// Bytes of a page of the flash.
const PAGE: usize = 4096;
/// Bytes of the flash, unless the network needs more.
const FLASH: usize = 32 * 1024;
/// Bytes of the windows of samples that a run of learning goes over again.
const STORED: usize = 16 * 1024;
/// The longest row of a device whose blob cannot be opened. Its answers report the reason.
const ROW_WITHOUT_NETWORK: usize = 64;

type Flash = Nor<&'static mut [u8], PAGE>;
type FlashLearner = Learner<'static, Flash>;
type Application = App<'static, 'static, FlashLearner, Sampler<'static, 'static>>;

/// A device: its blob, its flash, its line and its application, which learns and also takes samples.
pub struct Device {
    blob: &'static mut [u8],
    flash: &'static mut [u8],
    line: &'static mut [u8],
    app: Option<Application>,
}

/// A device without an application, with memory for a blob of this length. Returns null if there is no memory for it.
#[unsafe(no_mangle)]
pub extern "C" fn create(blob: usize) -> Option<&'static mut Device> {
    let blob = zeros(blob)?;
    let place: &mut [MaybeUninit<Device>] = zeros(1)?;
    Some(place.first_mut()?.write(Device { blob, flash: &mut [], line: &mut [], app: None }))
}

/// Where the page writes the blob, before [`open`].
#[unsafe(no_mangle)]
pub extern "C" fn blob(device: &mut Device) -> *mut u8 {
    device.blob.as_mut_ptr()
}

/// Gives the application memory that is exactly as long as the network of the blob needs. Returns whether there is
/// enough. Without a usable network, the application answers every command with the reason.
#[unsafe(no_mangle)]
pub extern "C" fn open(device: &mut Device) -> bool {
    device.open().is_some()
}

/// Where the page writes the contents of the flash, between [`open`] and [`boot`]. The address stays the same: the page
/// reads there what the device has kept.
#[unsafe(no_mangle)]
pub extern "C" fn flash(device: &mut Device) -> *mut u8 {
    device.flash.as_mut_ptr()
}

/// Bytes of the flash, before [`boot`].
#[unsafe(no_mangle)]
pub extern "C" fn flash_bytes(device: &Device) -> usize {
    device.flash.len()
}

/// Starts the application with the blob and the flash.
#[unsafe(no_mangle)]
pub extern "C" fn boot(device: &mut Device) {
    let Device { blob, flash, app: Some(app), .. } = device else { return };
    let blob: &mut [u8] = mem::take(blob);
    app.load(blob);
    app.attach_flash(Nor::new(mem::take(flash)));
}

/// Where the page writes bytes to send, and reads the answer.
#[unsafe(no_mangle)]
pub extern "C" fn line(device: &mut Device) -> *mut u8 {
    device.line.as_mut_ptr()
}

/// The most bytes to send or to read at once.
#[unsafe(no_mangle)]
pub extern "C" fn line_bytes(device: &Device) -> usize {
    device.line.len()
}

/// Gives the application the first bytes of the line, no more than one frame. If they end the frame, returns the length
/// of the answer, else 0.
#[unsafe(no_mangle)]
pub extern "C" fn exchange(device: &mut Device, bytes: usize) -> usize {
    let Device { line, app: Some(app), .. } = device else { return 0 };
    for i in 0..bytes {
        let Some(frame) = line.get(i).and_then(|byte| app.push(*byte)) else { continue };
        let answer = line.get_mut(..frame.len()).unwrap_or_default();
        answer.iter_mut().zip(frame).for_each(|(to, from)| *to = *from);
        return answer.len();
    }
    0
}

impl Device {
    fn open(&mut self) -> Option<()> {
        let network = Network::open(self.blob).ok();
        let network = network.as_ref();
        let spec = network.and_then(spec);
        let topology = network.map(Network::topology);
        let longest = |network: &Network| network.topology().row().max(network.code_bytes()).max(FlashLearner::ROW);
        let row = network.map_or(ROW_WITHOUT_NETWORK, longest).max(spec.as_ref().map_or(0, command_bytes));
        let channels = network.map_or(0, Network::channels);
        let frame = frame_bytes(row);

        let buffers = Buffers {
            activations: zeros(network.map_or(0, Network::memory_bytes))?,
            receive: zeros(frame)?,
            transmit: zeros(frame)?,
        };
        let learner = LearnerBuffers {
            learning: LearningMemory {
                channels: zeros(channels)?,
                moments: zeros(channels)?,
                gradients: zeros(topology.map_or(0, gradients))?,
            },
            held_out: zeros(HELD_OUT * topology.map_or(0, Topology::row))?,
            stored: zeros(if spec.is_some() { STORED } else { 0 })?,
        };
        let sampler = SamplerBuffers {
            numbers: zeros(spec.as_ref().map_or(0, |spec| spec.samples() + spec.scratch()))?,
            row: zeros(spec.as_ref().map_or(0, Spec::inputs))?,
        };
        self.flash = zeros(FLASH.max(2 * slot_bytes(record_bytes(channels), PAGE)))?;
        self.flash.fill(0xff);
        self.line = zeros(frame)?;
        self.app = Some(App::detector(buffers, Learner::new(learner), Sampler::new(sampler)));
        Some(())
    }
}

/// The shape of a network's samples, if its blob has a usable input section.
fn spec(network: &Network<'_>) -> Option<Spec> {
    Section::read(network.blob().input().ok()?).ok().map(|section| section.spec)
}
