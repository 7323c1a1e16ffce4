//! The network that learns: a run of learning, from its first row to its record in flash.
//!
//! ```text
//! begin    set the optimizer, rate and batch; the channels are those in flash, or the blob's
//! learn    the row may take a place in the sample; a row that takes none, or that loses its place, is scored, followed
//!          by one step of adapt::backward; windows beside a held-out one are skipped
//!          the row of a step is stored while there is room
//! repeat   one step over the next stored row, until the further passes are done
//! end      score the sample with the blob's channels and with the learned ones
//!          move the learned channels to the memory of the moments; load those from before the run
//!          score the sample with these
//!          keep the learned channels, or those from before the run, or nothing: judge.rs
//!          write the channels to the flash, with their thresholds
//! ```

use super::judge::{Evidence, Scores, Windows};
use super::sample::{Place, Sample, skipped};
use super::{Begin, HELD_OUT, Judgement, Learn, MAX_BATCH, Saved, Status};
use crate::Error;
use crate::score::{copy, score, squared_distance};
use crate::store::{RecordState, Store, StoreError};
use autoencoder_core::adapt::{self, LearningMemory, LearningRun, Moments};
use autoencoder_core::blob::Thresholds;
use autoencoder_core::crc;
use autoencoder_core::quant::ChannelParams;
use autoencoder_core::{Error as WeightsError, Network, Resource, Zeroed};
use embedded_storage::nor_flash::NorFlash;
use zerocopy::{FromZeros, IntoBytes};

/// The buffers of a learner as arrays, for a `static`.
///
/// `CHANNELS` is [`Network::channels`], `GRADIENTS` is [`adapt::gradients`], and `HELD_OUT_BYTES` is [`HELD_OUT`] times
/// the length of a row. A channel needs 8 bytes of parameters and 16 of moments, a gradient 4. `STORED_BYTES` hold the
/// rows that a run goes over again; without them, each row is learned from once.
pub struct LearnerMemory<
    const CHANNELS: usize,
    const GRADIENTS: usize,
    const HELD_OUT_BYTES: usize,
    const STORED_BYTES: usize = 0,
> {
    channels: [ChannelParams; CHANNELS],
    moments: [[Moments; 2]; CHANNELS],
    gradients: [f32; GRADIENTS],
    held_out: [u8; HELD_OUT_BYTES],
    stored: [u8; STORED_BYTES],
}

impl<const CHANNELS: usize, const GRADIENTS: usize, const HELD_OUT_BYTES: usize, const STORED_BYTES: usize>
    LearnerMemory<CHANNELS, GRADIENTS, HELD_OUT_BYTES, STORED_BYTES>
{
    /// All zeros: a static lies in `.bss` and takes no flash.
    pub const fn new() -> Self {
        Self {
            channels: [ChannelParams::ZERO; CHANNELS],
            moments: [[Moments::ZERO; 2]; CHANNELS],
            gradients: [0.0; GRADIENTS],
            held_out: [0; HELD_OUT_BYTES],
            stored: [0; STORED_BYTES],
        }
    }

    /// Lends the buffers to a learner.
    pub fn buffers(&mut self) -> LearnerBuffers<'_> {
        let Self { channels, moments, gradients, held_out, stored } = self;
        LearnerBuffers { learning: LearningMemory { channels, moments, gradients }, held_out, stored }
    }
}

impl<const CHANNELS: usize, const GRADIENTS: usize, const HELD_OUT_BYTES: usize, const STORED_BYTES: usize> Default
    for LearnerMemory<CHANNELS, GRADIENTS, HELD_OUT_BYTES, STORED_BYTES>
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
    /// The [`HELD_OUT`] held-out rows of a run, concatenated.
    pub held_out: &'m mut [u8],
    /// The rows that a run goes over again, concatenated; as many as there is room for, or none.
    pub stored: &'m mut [u8],
}

/// Learns the scale and bias of each channel of a network, and keeps them in flash.
pub struct Learner<'m, F> {
    memory: LearningMemory<'m>,
    sample: Sample<'m>,
    /// Rows that were learned from, concatenated.
    stored: &'m mut [u8],
    /// The number of stored rows.
    stored_rows: usize,
    /// Further passes over the stored rows that are left, with the one that has begun.
    further_passes: u8,
    /// Stored rows that this pass has had.
    repeated: usize,
    /// Whether the run has had a window of samples.
    samples: bool,
    /// Whether it may be foreign.
    forced: bool,
    store: Option<Store<F>>,
    /// The state of the flash, or the reason why it cannot be used.
    kept: Result<RecordState, StoreError>,
    run: LearningRun,
    running: bool,
    /// Rows learned from since the run began.
    rows: u32,
    /// The thresholds that were learned with the channels.
    thresholds: Option<Thresholds>,
    /// CRC of the channels; 0 if they are the blob's.
    identity: u32,
    /// The piece of the flash that is being sent.
    piece: [u8; PIECE],
}

/// Bytes of the flash in one response.
const PIECE: usize = 128;

/// Bytes of the contents of a record for a network with this many channels, including the thresholds: see
/// [`slot_bytes`](crate::store::slot_bytes).
pub const fn record_bytes(channels: usize) -> usize {
    channels * size_of::<ChannelParams>() + 2 * size_of::<u32>()
}

/// Bytes of the buffers of a learner for this network, without those of the stored rows.
pub fn learning_bytes(network: &Network<'_>) -> usize {
    let channels = network.channels() * (size_of::<ChannelParams>() + size_of::<[Moments; 2]>());
    let gradients = adapt::gradients(network.topology()) * size_of::<f32>();
    channels + gradients + HELD_OUT * network.topology().row()
}

impl<'m, F: NorFlash> Learner<'m, F> {
    /// A learner without a network and without a flash.
    pub fn new(buffers: LearnerBuffers<'m>) -> Self {
        let LearnerBuffers { learning: memory, held_out, stored } = buffers;
        Self {
            memory,
            sample: Sample::new(held_out),
            stored,
            stored_rows: 0,
            further_passes: 0,
            repeated: 0,
            samples: false,
            forced: false,
            store: None,
            kept: Ok(RecordState::Nothing),
            run: LearningRun::IDLE,
            running: false,
            rows: 0,
            thresholds: None,
            identity: 0,
            piece: [0; PIECE],
        }
    }

    /// Takes the flash, and loads the channels that were learned with these weights. A flash that is too small is
    /// dropped, and `kept` holds the error.
    pub(crate) fn attach_flash(&mut self, network: &Network<'_>, flash: F) {
        match Store::new(flash, network.blob().crc(), record_bytes(network.channels())) {
            Ok(store) => self.store = Some(store),
            Err(error) => self.kept = Err(error),
        }
        self.go_back(network);
    }

    /// Returns to the channels in flash or, if there are none, to the blob's. Ends a run.
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
        (self.running, self.rows, self.thresholds, self.identity) = (false, 0, None, 0);
    }

    /// Replaces the blob's channels and thresholds by those in flash.
    fn load(&mut self, channels: usize) -> Result<RecordState, StoreError> {
        let store = self.store.as_mut().ok_or(StoreError::Missing)?;
        let channels = self.memory.channels.get_mut(..channels).unwrap_or_default();
        let base = crc::checksum(channels.as_bytes());
        let (mut lower, mut upper) = ([0; 4], [0; 4]);
        let kept = store.load([channels.as_mut_bytes(), &mut lower, &mut upper])?;
        if let RecordState::Learned(_) = kept {
            self.thresholds = Some(Thresholds { lower: u32::from_le_bytes(lower), upper: u32::from_le_bytes(upper) });
            // A run may have saved thresholds alone.
            let learned = crc::checksum(channels.as_bytes());
            self.identity = if learned == base { 0 } else { learned };
        }
        Ok(kept)
    }

    /// Writes channels and thresholds to the flash and returns the number of their record.
    fn save(&mut self, channels: usize, thresholds: Thresholds) -> Result<u32, StoreError> {
        let store = self.store.as_mut().ok_or(StoreError::Missing)?;
        let channels = self.memory.channels.get(..channels).unwrap_or_default();
        let (lower, upper) = (thresholds.lower.to_le_bytes(), thresholds.upper.to_le_bytes());
        let record = store.save([channels.as_bytes(), &lower, &upper])?;
        self.kept = store.find();
        Ok(record)
    }

    /// The scores of the held-out rows with these channels, or the blob's.
    #[inline(never)] // for size
    fn scores(
        &self,
        network: &Network<'_>,
        channels: Option<&[ChannelParams]>,
        memory: &mut [u8],
    ) -> Result<Scores, Error> {
        let mut scores = Scores::default();
        let rows = self.sample.rows(network.topology().row());
        for (to, row) in scores.own.iter_mut().zip(rows.clone()) {
            *to = score(network, channels, memory, row)?;
            let all: u64 = rows.clone().map(|row| u64::from(squared_distance(row, network.output(memory)))).sum();
            scores.others += all - u64::from(*to);
        }
        Ok(scores)
    }

    /// Copies the channels to the memory of the moments, or back. At the end of a run, the moments are no longer
    /// needed.
    fn stash(&mut self, network: &Network<'_>, back: bool) {
        let channels = self.memory.channels.get_mut(..network.channels()).unwrap_or_default().as_mut_bytes();
        let moments = self.memory.moments.as_mut_bytes();
        for (channel, moment) in channels.iter_mut().zip(moments) {
            if back { *channel = *moment } else { *moment = *channel }
        }
    }

    /// The channels of this network, as learned so far.
    fn learned(&self, network: &Network<'_>) -> &[ChannelParams] {
        self.memory.channels.get(..network.channels()).unwrap_or_default()
    }
}

impl<F: NorFlash> Learn for Learner<'_, F> {
    const ROW: usize = PIECE;

    fn start(&mut self, network: &Network<'_>) -> Result<(), WeightsError> {
        adapt::check(network, &self.memory)?;
        let needed = HELD_OUT * network.topology().row();
        WeightsError::check_capacity(Resource::HeldOut, needed, self.sample.capacity())?;
        if let Some(store) = &mut self.store {
            store.rebind(network.blob().crc(), record_bytes(network.channels()));
        }
        self.go_back(network);
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        let LearningMemory { channels, moments, gradients } = &self.memory;
        size_of_val(*channels)
            + size_of_val(*moments)
            + size_of_val(*gradients)
            + self.sample.capacity()
            + self.stored.len()
    }

    fn spare_bytes(&self, network: &Network<'_>) -> usize {
        self.memory_bytes().saturating_sub(learning_bytes(network) + self.stored.len())
    }

    fn channels(&self, network: &Network<'_>) -> Option<&[ChannelParams]> {
        Some(self.learned(network))
    }

    fn thresholds(&self) -> Option<Thresholds> {
        self.thresholds
    }

    fn identity(&self, network: &Network<'_>) -> u32 {
        // The channels change with every row of a run.
        let changing = self.running && self.rows > 0;
        if changing { crc::checksum(self.learned(network).as_bytes()) } else { self.identity }
    }

    fn status(&self, network: &Network<'_>) -> Result<Status, Error> {
        let thresholds = self.thresholds.unwrap_or(network.blob().header().thresholds);
        Ok(Status { kept: self.kept, rows: self.rows, thresholds })
    }

    fn begin(&mut self, network: &Network<'_>, begin: Begin, overlap: u32) -> Result<(), Error> {
        let Begin { method, rate, batch, rows, passes, forced } = begin;
        if self.running {
            self.go_back(network);
        }
        // What is not kept is undone from flash.
        match &self.store {
            Some(store) => store.check_capacity()?,
            None => return Err(self.kept.err().unwrap_or(StoreError::Missing).into()),
        }
        self.further_passes = passes.saturating_sub(1);
        let windows = rows.saturating_add(HELD_OUT as u32);
        let rows = rows.saturating_sub(skipped(windows, overlap));
        let room = self.stored.len() / network.topology().row().max(1);
        let again = rows.min(room as u32).saturating_mul(self.further_passes.into());
        let steps = rows.saturating_add(again);
        self.run = LearningRun::new(method.optimizer(), rate as f32 * 1e-6, batch.min(MAX_BATCH), steps);
        self.running = true;
        self.memory.moments.zero();
        (self.rows, self.stored_rows, self.repeated) = (0, 0, 0);
        (self.samples, self.forced) = (false, forced);
        self.sample.clear(windows, overlap);
        Ok(())
    }

    fn ensure_running(&self) -> Result<(), Error> {
        if self.running { Ok(()) } else { Err(Error::NotLearning) }
    }

    fn learn(
        &mut self,
        network: &Network<'_>,
        memory: &mut [u8],
        row: &[u8],
        clipped: Option<u32>,
    ) -> Result<(u32, bool), Error> {
        self.ensure_running()?;
        let topology = network.topology();
        if !topology.has_encoder() || !topology.has_decoder() {
            return Err(Error::Absent);
        }
        let length = topology.row();
        if row.len() != length {
            return Err(Error::Length { expected: length as u32, found: row.len() as u32 });
        }
        self.samples |= clipped.is_some();
        let place = if clipped.is_some() { self.sample.place_window(row) } else { self.sample.place(row) };
        let clipped = clipped.unwrap_or(0);
        if let Place::Free(place) = place {
            self.sample.hold(place, row, clipped);
        }
        if matches!(place, Place::Free(_) | Place::Skipped) {
            return Ok((score(network, Some(self.learned(network)), memory, row)?, true));
        }
        let learned_from = match place {
            Place::Taken(place) => self.sample.row(place, length),
            _ => row,
        };
        let score = step(network, &mut self.run, memory, &mut self.memory, learned_from)?;
        self.rows = self.rows.saturating_add(1);
        if let Some(place) = self.stored.chunks_exact_mut(length.max(1)).nth(self.stored_rows) {
            copy(learned_from, place)?;
            self.stored_rows += 1;
        }
        if let Place::Taken(place) = place {
            self.sample.hold(place, row, clipped);
        }
        Ok((score, false))
    }

    fn repeat(&mut self, network: &Network<'_>, memory: &mut [u8]) -> Result<u32, Error> {
        self.ensure_running()?;
        let mut rows = self.stored.chunks_exact(network.topology().row().max(1)).take(self.stored_rows);
        if self.further_passes > 0
            && let Some(row) = rows.nth(self.repeated)
        {
            step(network, &mut self.run, memory, &mut self.memory, row)?;
            self.repeated += 1;
            if self.repeated == self.stored_rows {
                self.repeated = 0;
                self.further_passes -= 1;
            }
        }
        Ok((usize::from(self.further_passes) * self.stored_rows - self.repeated) as u32)
    }

    fn end(&mut self, network: &Network<'_>, memory: &mut [u8], samples: bool) -> Result<Judgement, Error> {
        if !self.running || self.sample.count() == 0 && self.rows == 0 {
            return Err(Error::NotLearning);
        }
        let rows = self.rows;
        let windows = if samples && self.samples {
            let original = self.scores(network, None, memory)?.own;
            let inputs = network.topology().row();
            Some(Windows { original, clipped: self.sample.clipped(), inputs, forced: self.forced })
        } else {
            None
        };
        let after = self.scores(network, Some(self.learned(network)), memory)?;
        self.stash(network, false);
        self.go_back(network);
        let before = self.scores(network, Some(self.learned(network)), memory)?;
        let thresholds = network.blob().header().thresholds;
        let evidence = Evidence { count: self.sample.count(), before, after, windows, thresholds };
        let keep = match evidence.judge() {
            Ok(keep) => keep,
            Err(rejection) => return Ok(evidence.judgement(Err(rejection))),
        };
        if keep.learned {
            self.stash(network, true);
            self.identity = crc::checksum(self.learned(network).as_bytes());
        }
        match self.save(network.channels(), keep.thresholds) {
            Ok(record) => {
                (self.rows, self.thresholds) = (rows, Some(keep.thresholds));
                let saved = if keep.learned { Saved::Channels } else { Saved::ThresholdsOnly };
                Ok(evidence.judgement(Ok(saved(record))))
            }
            Err(error) => {
                self.go_back(network);
                Err(error.into())
            }
        }
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

/// Scores a row with the channels so far, and takes its step. Returns the score.
fn step(
    network: &Network<'_>,
    run: &mut LearningRun,
    memory: &mut [u8],
    learning: &mut LearningMemory<'_>,
    row: &[u8],
) -> Result<u32, Error> {
    let score = score(network, learning.channels.get(..network.channels()), memory, row)?;
    adapt::backward(network, &run.next_step(), row, memory, learning);
    Ok(score)
}
