//! A network that learns, and its course from the first image to the record in flash.

use super::{Begin, HELD_OUT, Judgement, Learning, MAX_BATCH, Status};
use crate::codec::{fill, row, row_mut, squared_error};
use crate::monitor::Highest;
use crate::store::{Kept, Store, StoreError};
use crate::{Codec, Error, Reply, message};
use autoencoder_core::adapt::{Adapt, Course};
use autoencoder_core::blob::Mirrors;
use autoencoder_core::crc::Digest;
use autoencoder_core::layer::Row;
use autoencoder_core::quant::code;
use autoencoder_core::{Autoencoder, Layer, Native, Zeroed};
use embedded_storage::nor_flash::NorFlash;
use zerocopy::FromZeros;

/// The RAM of a network that learns.
pub struct Learner<E: Adapt, D: Adapt, F> {
    store: Option<Store<F>>,
    kept: Result<Kept, StoreError>,
    course: Course,
    /// A course is under way.
    running: bool,
    images: u32,
    tables: (E::Tables, D::Tables),
    /// That of what was learned.
    threshold: Option<u32>,
    /// Of the tables; 0 for the factory's.
    identity: u32,
    /// The scores of the last images of this course.
    highest: Highest,
    /// How many images come before those.
    early: u32,
    moments: (E::Moments, D::Moments),
    joints: (E::Joints, E::Out, D::Joints),
    held_out: [E::In8; HELD_OUT],
    /// How many of them there are.
    held: usize,
    /// The sum of their scores when the course began.
    before: u32,
    /// A piece of the flash on its way out.
    piece: [u8; PIECE],
}

/// Bytes of flash in one answer.
const PIECE: usize = 128;

impl<E, D, F> Learning<E, D> for Learner<E, D, F>
where
    E: Adapt,
    D: Adapt + Mirrors<E>,
    F: NorFlash,
{
    const ROW: usize = PIECE;
    const NEW: Self = Self {
        store: None,
        kept: Ok(Kept::Nothing),
        course: Course::IDLE,
        running: false,
        images: 0,
        tables: Zeroed::ZERO,
        threshold: None,
        identity: 0,
        highest: Highest::NONE,
        early: 0,
        moments: Zeroed::ZERO,
        joints: (Zeroed::ZERO, Zeroed::ZERO, Zeroed::ZERO),
        held_out: [E::In8::ZERO; HELD_OUT],
        held: 0,
        before: 0,
        piece: [0; PIECE],
    };

    fn start(&mut self, net: &Autoencoder<E::Int8<'_>, D::Int8<'_>>, weights: u32) {
        if let Some(store) = &mut self.store {
            store.rebind(weights);
        }
        self.go_back(net);
    }

    fn encoder<'t, 'b: 't>(
        &'t self,
        factory: &'t E::Int8<'b>,
    ) -> impl Layer<In = E::In8, Out = E::Out8, Acts<1> = E::Acts8> {
        E::with_tables(factory, &self.tables.0)
    }

    fn decoder<'t, 'b: 't>(
        &'t self,
        factory: &'t D::Int8<'b>,
    ) -> impl Layer<In = D::In8, Out = D::Out8, Acts<1> = D::Acts8> {
        D::with_tables(factory, &self.tables.1)
    }

    fn threshold(&self) -> Option<u32> {
        self.threshold
    }

    fn identity(&self) -> u32 {
        // As long as they change, there is no number to keep.
        if self.running && self.images > 0 { self.tables_crc() } else { self.identity }
    }

    fn answer<'a>(codec: &'a mut Codec<'_, E, D, Self>, command: message::Learning<'_>) -> Result<Reply<'a>, Error> {
        match command {
            message::Learning::Status => {}
            message::Learning::Begin(begin) => codec.begin(begin)?,
            message::Learning::Image(image) => return codec.learn(image),
            message::Learning::End => return codec.end().map(Reply::Judged),
            message::Learning::Reset => codec.reset()?,
            message::Learning::Flash { at } => return codec.learner.read(at).map(Reply::Flash),
        }
        let (kept, images) = (codec.learner.kept, codec.learner.images);
        Ok(Reply::Status(Status { kept, images, threshold: codec.threshold() }))
    }
}

impl<E, D, F> Learner<E, D, F>
where
    E: Adapt,
    D: Adapt + Mirrors<E>,
    F: NorFlash,
{
    /// Bytes of a record's contents: the tables, and the threshold.
    pub const KEPT_BYTES: usize = size_of::<E::Tables>() + size_of::<D::Tables>() + size_of::<u32>();

    /// To the tables in flash; where there are none, to the factory's.
    fn go_back(&mut self, net: &Autoencoder<E::Int8<'_>, D::Int8<'_>>) {
        self.factory(net);
        if self.store.is_some() {
            self.kept = self.load();
        }
        if self.kept.is_err() {
            self.factory(net);
        }
    }

    /// To the factory's tables.
    fn factory(&mut self, net: &Autoencoder<E::Int8<'_>, D::Int8<'_>>) {
        E::copy_tables(&net.encoder, &mut self.tables.0);
        D::copy_tables(&net.decoder, &mut self.tables.1);
        (self.running, self.images, self.threshold, self.identity) = (false, 0, None, 0);
    }

    /// Takes the tables that were kept; the factory's are there already.
    fn load(&mut self) -> Result<Kept, StoreError> {
        let store = self.store.as_mut().ok_or(StoreError::Missing)?;
        let (encoder, decoder) = &mut self.tables;
        let mut threshold = [0; 4];
        let parts = E::bytes_mut(encoder).chain(D::bytes_mut(decoder)).chain([&mut threshold[..]]);
        let kept = store.load(parts)?;
        if let Kept::Learned(_) = kept {
            self.threshold = Some(u32::from_le_bytes(threshold));
            self.identity = self.tables_crc();
        }
        Ok(kept)
    }

    /// Writes the tables and the threshold; the number of their record.
    fn save(&mut self) -> Result<u32, StoreError> {
        let store = self.store.as_mut().ok_or(StoreError::Missing)?;
        let (encoder, decoder) = &self.tables;
        let threshold = self.threshold.unwrap_or_default().to_le_bytes();
        let record = store.save(E::bytes(encoder).chain(D::bytes(decoder)).chain([&threshold[..]]))?;
        self.kept = store.find();
        Ok(record)
    }

    fn tables_crc(&self) -> u32 {
        let mut crc = Digest::new();
        let (encoder, decoder) = &self.tables;
        E::bytes(encoder).chain(D::bytes(decoder)).for_each(|bytes| crc.update(bytes));
        crc.finalize()
    }

    /// Bytes of the flash.
    fn read(&mut self, at: u32) -> Result<&[u8], Error> {
        let Some(store) = &mut self.store else { return Ok(&[]) };
        let count = store.read(at, &mut self.piece)?;
        Ok(self.piece.get(..count).unwrap_or_default())
    }
}

impl<E, D, F> Codec<'_, E, D, Learner<E, D, F>>
where
    E: Adapt,
    D: Adapt + Mirrors<E>,
    F: NorFlash,
{
    /// Takes the flash for what is learned, and from it what was learned before with these weights.
    pub fn keep_in(&mut self, flash: F) {
        let Ok(weights) = self.weights() else { return };
        match Store::new(flash, weights, Learner::<E, D, F>::KEPT_BYTES) {
            Ok(store) => self.learner.store = Some(store),
            Err(error) => self.learner.kept = Err(error),
        }
        self.go_back();
    }

    /// Begins a course; one that is under way ends without a trace. There has to be a flash: what does not help is taken
    /// back to what is kept there.
    fn begin(&mut self, Begin { method, rate, batch, images }: Begin) -> Result<(), Error> {
        if self.learner.running {
            self.go_back();
        }
        let learner = &mut self.learner;
        if learner.store.is_none() {
            return Err(learner.kept.err().unwrap_or(StoreError::Missing).into());
        }
        learner.course = Course::new(method.rule(), rate as f32 * 1e-6, batch.min(MAX_BATCH), images);
        learner.running = true;
        learner.moments.zero(); // in place: they would not fit on the stack
        (learner.images, learner.held, learner.before) = (0, 0, 0);
        learner.highest = Highest::NONE;
        learner.early = images - (images / 4).min(Highest::MOST - HELD_OUT as u32);
        Ok(())
    }

    /// The next image of the course: held out, or learned from.
    fn learn(&mut self, image: &[u8]) -> Result<Reply<'_>, Error> {
        if !self.learner.running {
            return Err(Error::NoCourse);
        }
        let error = self.score(image)?;
        let Self { net, encoder, decoder, learner, .. } = self;
        if let Some(slot) = learner.held_out.get_mut(learner.held) {
            fill(core::slice::from_mut(slot), image, E::In8::LEN)?;
            learner.held += 1;
            learner.before = learner.before.saturating_add(error);
            return Ok(Reply::Learned { error, held_out: true });
        }
        let Ok(net) = &*net else { return Err(Error::NoCourse) };
        let turn = learner.course.turn();
        if learner.images >= learner.early {
            learner.highest.push(error);
        }
        learner.images = learner.images.saturating_add(1);
        // L = Σ (y - x)² / 510, by the `u8` values.
        let y = row(D::Int8::output::<1>(decoder, 1));
        let dy = y.iter().zip(image).map(|(y, x)| (f32::from(*y) - f32::from(*x)) * (1.0 / 255.0));
        let (tables, moments, (e, joint, d)) = (&mut learner.tables, &mut learner.moments, &mut learner.joints);
        let dcode = Some(joint.elements_mut());
        D::backward(&net.decoder, &turn, true, decoder, dy, dcode, &mut tables.1, &mut moments.1, d);
        let dcode = joint.elements().iter().copied();
        E::backward(&net.encoder, &turn, false, encoder, dcode, None, &mut tables.0, &mut moments.0, e);
        Ok(Reply::Learned { error, held_out: false })
    }

    /// Ends the course: keeps what was learned if it helps and the flash takes it; goes back if not.
    fn end(&mut self) -> Result<Judgement, Error> {
        if !self.learner.running || self.learner.held == 0 {
            return Err(Error::NoCourse);
        }
        let before = self.learner.before;
        let Self { net, encoder, decoder, learner, code_bits, .. } = self;
        let net = net.as_ref().map_err(|error| *error)?;
        let mut after = 0u32;
        for image in learner.held_out.iter().take(learner.held) {
            learner.encoder(&net.encoder).forward::<1>(&Native {}, core::slice::from_ref(image), encoder);
            let code = E::Int8::output_mut::<1>(encoder, 1);
            code::pack(row_mut(code), *code_bits);
            code::unpack(row_mut(code), *code_bits);
            let reconstruction = row(learner.decoder(&net.decoder).forward::<1>(&Native {}, code, decoder));
            let error = squared_error(image.elements(), reconstruction);
            after = after.saturating_add(error);
            learner.highest.push(error);
        }
        if after >= before {
            self.go_back();
            return Ok(Judgement { before, after, kept: None });
        }
        learner.threshold = Some(learner.highest.threshold());
        learner.identity = learner.tables_crc();
        let saved = learner.save();
        learner.running = false;
        if saved.is_err() {
            self.go_back();
        }
        Ok(Judgement { before, after, kept: Some(saved?) })
    }

    /// The factory's tables, in RAM and in flash.
    fn reset(&mut self) -> Result<(), Error> {
        let done = self.learner.store.as_mut().map_or(Ok(()), Store::reset);
        self.go_back();
        done.map_err(Error::from)
    }

    /// To the tables in flash; where there are none, to the factory's.
    fn go_back(&mut self) {
        if let Ok(net) = &self.net {
            self.learner.go_back(net);
        }
    }
}
