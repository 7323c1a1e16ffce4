//! The network that learns: a run of learning from its first row to the record in flash.
//!
//! ```text
//! begin    run := its optimizer, rate and batch; channels as kept in flash, or the blob's
//! learn    the first HELD_OUT rows are stored with the sum of their scores: before
//!          every other row: score, then one step of adapt::backward
//! end      after := the sum of the scores of the rows held out, by the learned channels
//!          after < before: channels and threshold go to flash; otherwise those before the run come back
//! ```

use super::{Begin, HELD_OUT, Judgement, Learning, MAX_BATCH, Status};
use crate::Error;
use crate::monitor::TopK;
use crate::score::score;
use crate::store::{RecordState, Store, StoreError};
use autoencoder_core::adapt::{self, LearningMemory, LearningRun, Moments};
use autoencoder_core::crc;
use autoencoder_core::quant::ChannelParams;
use autoencoder_core::{Error as WeightsError, Network, Resource, Zeroed};
use embedded_storage::nor_flash::NorFlash;
use zerocopy::{FromZeros, IntoBytes};

/// The buffers of a learner as arrays, for a `static`.
///
/// `CHANNELS` is that of [`Network::channels`], `GRADIENTS` that of [`adapt::gradients`], and `HELD_OUT_BYTES` is
/// [`HELD_OUT`] times the length of a row. A channel takes 8 bytes of parameters and 16 of moments, a gradient 4.
pub struct LearnerMemory<const CHANNELS: usize, const GRADIENTS: usize, const HELD_OUT_BYTES: usize> {
    channels: [ChannelParams; CHANNELS],
    moments: [[Moments; 2]; CHANNELS],
    gradients: [f32; GRADIENTS],
    held_out: [u8; HELD_OUT_BYTES],
}

impl<const CHANNELS: usize, const GRADIENTS: usize, const HELD_OUT_BYTES: usize>
    LearnerMemory<CHANNELS, GRADIENTS, HELD_OUT_BYTES>
{
    /// All zeros: a static lies in `.bss` and takes no flash.
    pub const fn new() -> Self {
        Self {
            channels: [ChannelParams::ZERO; CHANNELS],
            moments: [[Moments::ZERO; 2]; CHANNELS],
            gradients: [0.0; GRADIENTS],
            held_out: [0; HELD_OUT_BYTES],
        }
    }

    /// Lends the buffers to a learner.
    pub fn buffers(&mut self) -> LearnerBuffers<'_> {
        let Self { channels, moments, gradients, held_out } = self;
        LearnerBuffers { learning: LearningMemory { channels, moments, gradients }, held_out }
    }
}

impl<const CHANNELS: usize, const GRADIENTS: usize, const HELD_OUT_BYTES: usize> Default
    for LearnerMemory<CHANNELS, GRADIENTS, HELD_OUT_BYTES>
{
    fn default() -> Self {
        Self::new()
    }
}

/// The buffers of a learner. Their lengths are its capacities: a network that needs more is refused.
#[derive(Debug)]
pub struct LearnerBuffers<'m> {
    /// Channels, moments and gradients.
    pub learning: LearningMemory<'m>,
    /// The [`HELD_OUT`] rows that a run holds out, one behind the other.
    pub held_out: &'m mut [u8],
}

/// Learns scale and bias of each channel of a network, and keeps them in a flash.
pub struct Learner<'m, F> {
    memory: LearningMemory<'m>,
    held_out: &'m mut [u8],
    store: Option<Store<F>>,
    /// What the flash holds, or why it is of no use.
    kept: Result<RecordState, StoreError>,
    run: LearningRun,
    running: bool,
    /// Rows learned from since the run began.
    images: u32,
    /// The threshold that was learned with the channels.
    threshold: Option<u32>,
    /// CRC of the learned channels; 0 for the blob's.
    identity: u32,
    /// The highest scores of the last rows of this run, for its threshold.
    highest: TopK,
    /// How many rows come before those last ones.
    early: u32,
    /// How many rows are held out so far.
    held: usize,
    /// The sum of their scores by the channels that the run began with.
    before: u32,
    /// The piece of the flash that is being sent.
    piece: [u8; PIECE],
}

/// Bytes of the flash in one response.
const PIECE: usize = 128;

/// Bytes that a record holds of a network with so many channels, the threshold included: see
/// [`slot_bytes`](crate::store::slot_bytes).
pub const fn record_bytes(channels: usize) -> usize {
    channels * size_of::<ChannelParams>() + size_of::<u32>()
}

impl<'m, F: NorFlash> Learner<'m, F> {
    /// A learner without a network and without a flash.
    pub fn new(buffers: LearnerBuffers<'m>) -> Self {
        let LearnerBuffers { learning: memory, held_out } = buffers;
        Self {
            memory,
            held_out,
            store: None,
            kept: Ok(RecordState::Nothing),
            run: LearningRun::IDLE,
            running: false,
            images: 0,
            threshold: None,
            identity: 0,
            highest: TopK::NONE,
            early: 0,
            held: 0,
            before: 0,
            piece: [0; PIECE],
        }
    }

    /// Takes the flash, and loads from it what was learned with these weights. A flash that is too small is dropped, and
    /// `kept` says so.
    pub(crate) fn attach_flash(&mut self, network: &Network<'_>, flash: F) {
        match Store::new(flash, network.blob().crc(), record_bytes(network.channels())) {
            Ok(store) => self.store = Some(store),
            Err(error) => self.kept = Err(error),
        }
        self.go_back(network);
    }

    /// Returns to the channels in flash or, where there are none, to the blob's. Ends a run.
    fn go_back(&mut self, network: &Network<'_>) {
        self.use_base(network);
        if self.store.is_some() {
            self.kept = self.load(network.channels());
        }
        if self.kept.is_err() {
            self.use_base(network);
        }
    }

    /// Returns to the blob's channels. Ends a run.
    fn use_base(&mut self, network: &Network<'_>) {
        adapt::copy_channels(network, self.memory.channels);
        (self.running, self.images, self.threshold, self.identity) = (false, 0, None, 0);
    }

    /// Loads the channels and the threshold in flash over the blob's.
    fn load(&mut self, channels: usize) -> Result<RecordState, StoreError> {
        let store = self.store.as_mut().ok_or(StoreError::Missing)?;
        let channels = self.memory.channels.get_mut(..channels).unwrap_or_default();
        let mut threshold = [0; 4];
        let kept = store.load([channels.as_mut_bytes(), &mut threshold])?;
        if let RecordState::Learned(_) = kept {
            self.threshold = Some(u32::from_le_bytes(threshold));
            self.identity = crc::checksum(channels.as_bytes());
        }
        Ok(kept)
    }

    /// Writes channels and threshold to the flash and returns the number of their record.
    fn save(&mut self, channels: usize) -> Result<u32, StoreError> {
        let store = self.store.as_mut().ok_or(StoreError::Missing)?;
        let channels = self.memory.channels.get(..channels).unwrap_or_default();
        let threshold = self.threshold.unwrap_or_default().to_le_bytes();
        let record = store.save([channels.as_bytes(), &threshold])?;
        self.kept = store.find();
        Ok(record)
    }

    /// The channels of this network, as learned so far.
    fn learned(&self, network: &Network<'_>) -> &[ChannelParams] {
        self.memory.channels.get(..network.channels()).unwrap_or_default()
    }
}

impl<F: NorFlash> Learning for Learner<'_, F> {
    const ROW: usize = PIECE;

    fn start(&mut self, network: &Network<'_>) -> Result<(), WeightsError> {
        adapt::check(network, &self.memory)?;
        let needed = HELD_OUT * network.topology().row();
        WeightsError::check_capacity(Resource::HeldOut, needed, self.held_out.len())?;
        if let Some(store) = &mut self.store {
            store.rebind(network.blob().crc(), record_bytes(network.channels()));
        }
        self.go_back(network);
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        let LearningMemory { channels, moments, gradients } = &self.memory;
        size_of_val(*channels) + size_of_val(*moments) + size_of_val(*gradients) + self.held_out.len()
    }

    fn spare_bytes(&self, network: &Network<'_>) -> usize {
        let channels = network.channels() * (size_of::<ChannelParams>() + size_of::<[Moments; 2]>());
        let gradients = adapt::gradients(network) * size_of::<f32>();
        self.memory_bytes().saturating_sub(channels + gradients + HELD_OUT * network.topology().row())
    }

    fn channels(&self, network: &Network<'_>) -> Option<&[ChannelParams]> {
        Some(self.learned(network))
    }

    fn threshold(&self) -> Option<u32> {
        self.threshold
    }

    fn identity(&self, network: &Network<'_>) -> u32 {
        // The channels change with every row of a run.
        let changing = self.running && self.images > 0;
        if changing { crc::checksum(self.learned(network).as_bytes()) } else { self.identity }
    }

    fn status(&self, network: &Network<'_>) -> Result<Status, Error> {
        let threshold = self.threshold.unwrap_or(network.blob().header().threshold);
        Ok(Status { kept: self.kept, images: self.images, threshold })
    }

    fn begin(&mut self, network: &Network<'_>, begin: Begin) -> Result<(), Error> {
        let Begin { method, rate, batch, images } = begin;
        if self.running {
            self.go_back(network);
        }
        // A run that does not help is undone from the flash.
        match &self.store {
            Some(store) => store.check_capacity()?,
            None => return Err(self.kept.err().unwrap_or(StoreError::Missing).into()),
        }
        self.run = LearningRun::new(method.optimizer(), rate as f32 * 1e-6, batch.min(MAX_BATCH), images);
        self.running = true;
        self.memory.moments.zero();
        (self.images, self.held, self.before) = (0, 0, 0);
        self.highest = TopK::NONE;
        self.early = images - (images / 4).min(TopK::MOST - HELD_OUT as u32);
        Ok(())
    }

    fn learn(&mut self, network: &Network<'_>, memory: &mut [u8], row: &[u8]) -> Result<(u32, bool), Error> {
        if !self.running {
            return Err(Error::NotLearning);
        }
        let score = score(network, Some(self.learned(network)), memory, row)?;
        if self.held < HELD_OUT {
            let slot = self.held_out.chunks_exact_mut(row.len().max(1)).nth(self.held);
            if let Some(slot) = slot.filter(|slot| slot.len() == row.len()) {
                slot.copy_from_slice(row);
            }
            self.held += 1;
            self.before = self.before.saturating_add(score);
            return Ok((score, true));
        }
        let step = self.run.next_step();
        if self.images >= self.early {
            self.highest.push(score);
        }
        self.images = self.images.saturating_add(1);
        adapt::backward(network, &step, row, memory, &mut self.memory);
        Ok((score, false))
    }

    fn end(&mut self, network: &Network<'_>, memory: &mut [u8]) -> Result<Judgement, Error> {
        if !self.running || self.held == 0 {
            return Err(Error::NotLearning);
        }
        let before = self.before;
        let channels = self.memory.channels.get(..network.channels());
        let mut after = 0u32;
        for row in self.held_out.chunks_exact(network.topology().row().max(1)).take(self.held) {
            let score = score(network, channels, memory, row)?;
            after = after.saturating_add(score);
            self.highest.push(score);
        }
        if after >= before {
            self.go_back(network);
            return Ok(Judgement { before, after, kept: None });
        }
        self.threshold = Some(self.highest.threshold());
        self.identity = crc::checksum(self.learned(network).as_bytes());
        let saved = self.save(network.channels());
        self.running = false;
        if saved.is_err() {
            self.go_back(network);
        }
        Ok(Judgement { before, after, kept: Some(saved?) })
    }

    fn reset(&mut self, network: &Network<'_>) -> Result<(), Error> {
        let done = self.store.as_mut().map_or(Ok(()), Store::reset);
        self.go_back(network);
        done.map_err(Error::from)
    }

    fn read_flash(&mut self, at: u32) -> Result<&[u8], Error> {
        let Some(store) = &mut self.store else { return Ok(&[]) };
        let count = store.read(at, &mut self.piece)?;
        Ok(self.piece.get(..count).unwrap_or_default())
    }
}
