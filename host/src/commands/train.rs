//! `host train`

use crate::args;
use crate::commands::images_fit;
use crate::commands::progress::Progress;
use crate::commands::source::Source;
use anyhow::{Context, anyhow, bail, ensure};
use autoencoder_core::blob::Mirrors;
use autoencoder_core::layer::Row;
use autoencoder_core::model::{Half, Visitor, with_topology};
use autoencoder_core::{Autoencoder, Layer, LayerSpec, loss};
use host::aware::Precision;
use host::blob_file::BlobFile;
use host::calibrate::calibrate;
use host::checkpoint::{Checkpoint, CheckpointError, Point, Run};
use host::files::{self, Claim};
use host::idx::Images;
use host::picture::Gray;
use host::profile::Profile;
use host::quantise::{self, About};
use host::recipe::Recipe;
use host::trainer::{Trainable, Trainer, zeroed_box};
use host::{evaluate, gemm, report};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Steps between checkpoints, and between lines where the output is no terminal.
const SAVE_EVERY: u32 = 1000;
/// Digits in the picture of reconstructions.
const SHOWN: usize = 16;

/// Set by Ctrl-C and by a request to terminate.
static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

pub fn run(args: &args::Train) -> anyhow::Result<String> {
    // A folder that is not there yet has nothing in it, and is made only when all that was asked for is known to be right.
    let claim = if args.out.is_dir() { Some(Claim::new(&args.out)?) } else { None };
    let path = args.out.join("checkpoint");
    let checkpoint = if args.resume { Some(Checkpoint::read(&path)?) } else { None };
    if !args.resume && path.exists() {
        // One that cannot be read may be of a run that was worth something.
        let unfinished = Checkpoint::read(&path).map_err(|e| anyhow!("{e}; give another --out, or delete it"))?;
        ensure!(
            unfinished.step == unfinished.run.steps,
            "{}: a run that was stopped at step {} of {}; go on with it (--resume), give another --out, or delete it",
            path.display(),
            unfinished.step,
            unfinished.run.steps
        );
    }
    for file in ["checkpoint", "model.f32.blob"] {
        files::spare(&args.out.join(file), args.from.as_deref())?;
    }
    let from = args.from.as_deref().map(Source::read).transpose()?;
    let [train, test] = Images::both(&args.data)?;
    let before = checkpoint.as_ref().map(|checkpoint| &checkpoint.run);
    let recipe = args.recipe.clone().or(before.map(|run| run.recipe.clone())).unwrap_or_else(|| "default".into());
    let named = Recipe::named(&recipe);
    let quantise_aware = match (args.quantise_aware, before) {
        (Some(args::QuantiseAware::Int8), _) => Some(Precision::Int8),
        (Some(args::QuantiseAware::Int4), _) => Some(Precision::Int4),
        (Some(args::QuantiseAware::None), _) => None,
        (None, Some(run)) => run.quantise_aware,
        (None, None) => named.and_then(|recipe| recipe.aware.weights),
    };
    let topology = match &from {
        Some(source) => Some(source.expect_topology(args.topology.as_deref())?),
        None => before.map(|run| run.topology.clone()),
    };
    let from_run = match &from {
        Some(source) => Some((source.crc(), source.steps()?)),
        None => before.and_then(|run| run.from),
    };
    let run = Run {
        recipe,
        topology: args.topology.clone().or(topology).unwrap_or_else(|| "classic".into()),
        layers: Vec::new(), // by the visitor, who knows the types
        steps: args.steps.or(before.map(|run| run.steps)).unwrap_or(if from.is_some() { 1000 } else { 30_000 }),
        batch: args.batch.map(|batch| batch as usize).or(before.map(|run| run.batch)).unwrap_or(256),
        seed: args.seed.or(before.map(|run| run.seed)).unwrap_or(named.unwrap_or(Recipe::DEFAULT).seed),
        data: train.crc(),
        quantise_aware,
        code_bits: args.code_bits.or(before.map(|run| run.code_bits)).unwrap_or(8),
        from: from_run,
    };
    let topology = run.topology.clone();
    let command = Command { args, run, claim, checkpoint, from, train, test };
    with_topology(&topology, command).with_context(|| format!("no topology named {topology}"))?
}

struct Command<'a> {
    args: &'a args::Train,
    run: Run,
    /// The output folder.
    claim: Option<Claim>,
    checkpoint: Option<Checkpoint>,
    from: Option<Source>,
    train: Images,
    test: Images,
}

impl Visitor for Command<'_> {
    type Output = anyhow::Result<String>;

    fn visit<E: Half, D: Half + Mirrors<E>>(mut self) -> Self::Output {
        images_fit::<E>(&self.train, &self.args.data, &self.run.topology)?;
        self.run.layers = Autoencoder::<E, D>::specs().collect::<Vec<LayerSpec>>();
        let about = About { encoder_layers: E::specs().count(), steps: 0, code_bits: self.run.code_bits };
        quantise::check_code(Autoencoder::<E, D>::specs(), about)?;
        let recipe = self.run.recipe()?;
        let mut trainer =
            Trainer::<Autoencoder<E, D>>::new(recipe, self.run.steps, self.run.batch, self.run.seed, &self.train);
        if let Some(source) = &self.from {
            let mut loaded = Ok(());
            trainer.restore(0, &[], |[net, ..]| loaded = source.load(net, None));
            loaded?;
        }
        let threads = self.args.threads.map_or(0, usize::from); // 0: as many as there are cores
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let mut session = Session::new(self, trainer)?;
        pool.install(|| {
            let finished = session.train()?;
            session.finish::<E, D>(finished)
        })
    }
}

/// A run under way.
struct Session<'a, N: Trainable> {
    command: Command<'a>,
    trainer: Trainer<N>,
    history: Vec<Point>,
    /// Sum and number of the losses since the last point.
    pending: (f64, u32),
    /// Time in training steps, of this session and those before it.
    time: Duration,
    profile: Profile,
    /// Images a step: no more than there are.
    batch: usize,
    /// The step of the checkpoint that stands.
    saved: Option<u32>,
}

impl<'a, N: Trainable> Session<'a, N> {
    fn new(mut command: Command<'a>, trainer: Trainer<N>) -> anyhow::Result<Self> {
        if command.claim.is_none() {
            command.claim = Some(Claim::new(&command.args.out)?);
        }
        let rows = command.train.len().min(command.run.recipe()?.rows);
        let batch = command.run.batch.min(rows);
        let mut session = Self {
            command,
            trainer,
            history: Vec::new(),
            pending: (0.0, 0),
            time: Duration::ZERO,
            profile: Profile::default(),
            batch,
            saved: None,
        };
        if let Some(checkpoint) = session.command.checkpoint.take() {
            let path = session.command.args.out.join("checkpoint");
            checkpoint.expect(&path, &session.command.run)?;
            ensure!(checkpoint.restore(&mut session.trainer), "{}: the checkpoint does not fit", path.display());
            session.time = Duration::try_from_secs_f64(checkpoint.seconds).unwrap_or_default();
            session.pending = checkpoint.pending;
            session.history = checkpoint.history;
            session.saved = Some(checkpoint.step);
        }
        // Before the work, not after it: whether the folder can be written. What an earlier run left stays together until
        // there is a checkpoint of this one.
        let curve = session.command.args.out.join("loss.csv");
        if session.saved.is_none() && curve.is_file() {
            files::replace(&curve, &files::read(&curve)?)?;
        } else {
            session.write_csv()?;
        }
        for signal in signal_hook::consts::TERM_SIGNALS {
            // The first asks for a checkpoint; a second does not wait for it.
            signal_hook::flag::register_conditional_shutdown(*signal, 130, Arc::clone(&STOP))?;
            signal_hook::flag::register(*signal, Arc::clone(&STOP))?;
        }
        Ok(session)
    }

    /// Trains to the end; false if Ctrl-C came first.
    fn train(&mut self) -> anyhow::Result<bool> {
        let steps = self.trainer.steps();
        // Testing takes as long as some fifteen steps.
        let line_every = (steps / 10).clamp(100, SAVE_EVERY);
        let point_every = (steps / 100).clamp(1, 100);
        let progress = Progress::new(steps, self.trainer.step());
        while self.trainer.step() < steps {
            if STOP.load(Ordering::Relaxed) {
                self.save()?;
                return Ok(false);
            }
            let (loss, time) = self.profile.step(|| self.trainer.train(&self.command.train));
            self.time += time;
            let step = self.trainer.step();
            if !loss.is_finite() {
                return Err(self.diverged(&format!("the loss is {loss}")));
            }
            self.pending = (self.pending.0 + f64::from(loss), self.pending.1 + 1);
            let line = step.is_multiple_of(line_every) || step == steps;
            if line || step.is_multiple_of(point_every) {
                let test_mse = line.then(|| {
                    evaluate::mean(&evaluate::errors(self.trainer.net(), self.trainer.code_bits(), &self.command.test))
                });
                let (sum, count) = std::mem::take(&mut self.pending);
                let loss = (sum / f64::from(count)) as f32;
                self.history.push(Point { step, loss, learning_rate: self.trainer.learning_rate(), test_mse });
            }
            progress.show(step, loss, self.batch, self.history.last().filter(|_| line));
            if step.is_multiple_of(SAVE_EVERY) || step == steps {
                self.save()?;
            }
        }
        progress.finish();
        Ok(true)
    }

    /// Replaces the checkpoint, unless the run has diverged.
    fn save(&mut self) -> anyhow::Result<()> {
        let mut checkpoint = Checkpoint::new(self.command.run.clone(), &mut self.trainer);
        checkpoint.seconds = self.time.as_secs_f64();
        checkpoint.history.clone_from(&self.history);
        checkpoint.pending = self.pending;
        match checkpoint.write(&self.command.args.out.join("checkpoint")) {
            Err(CheckpointError::NotFinite { .. }) => return Err(self.diverged("a weight or a moment is not finite")),
            written => written?,
        }
        self.saved = Some(checkpoint.step);
        self.write_csv()
    }

    fn diverged(&self, what: &str) -> anyhow::Error {
        let step = self.trainer.step();
        let out = self.command.args.out.display();
        match self.saved {
            Some(saved) => {
                anyhow!("{what} at step {step}: training diverged; the checkpoint of step {saved} stands in {out}")
            }
            None => anyhow!("{what} at step {step}: training diverged; no checkpoint was due yet"),
        }
    }

    fn write_csv(&self) -> anyhow::Result<()> {
        Ok(files::replace(&self.command.args.out.join("loss.csv"), report::csv(&self.history).as_bytes())?)
    }

    /// Blobs, pictures and the summary.
    fn finish<E: Half, D: Half + Mirrors<E>>(&self, finished: bool) -> anyhow::Result<String> {
        let Self { command: Command { args, run, train, test, .. }, trainer, .. } = self;
        let (out, net, step) = (&args.out, trainer.net(), trainer.step());
        if !finished {
            let left = ["f32", "int8", "int4"].iter().any(|name| out.join(format!("model.{name}.blob")).exists());
            let blobs = if left { " (the blobs there are an earlier run's)" } else { "" };
            let [out, data] = [out, &args.data].map(|path| quoted(path));
            bail!("stopped at step {step} of {}; go on with --resume --out {out} --data {data}{blobs}", run.steps);
        }
        let about =
            About { encoder_layers: E::specs().count(), steps: run.steps_behind(step), code_bits: run.code_bits };
        let precision = run.quantise_aware.unwrap_or(Precision::Int8);
        let format = precision.name();
        // What needs no integers first: a network that has none is kept all the same.
        let f32_blob = quantise::f32_blob(net, about)?;
        files::replace(&out.join("model.f32.blob"), &f32_blob)?;
        report::plot(
            &out.join("loss.png"),
            &format!("training of {}, recipe {}", run.topology, run.recipe),
            &report::curves(&self.history),
        )?;
        reconstructions(net, run.code_bits, test).write(&out.join("reconstructions.png"))?;
        let path = out.join(format!("model.{format}.blob"));
        let blob =
            BlobFile::new(&path, &calibrate::<E, D>(&quantise::integer_blob(net, precision, about, train)?, train)?);
        files::replace(&path, blob.bytes())?;

        // The last step's, which was tested already.
        let mse = self.history.last().and_then(|point| point.test_mse);
        let mse = mse.unwrap_or_else(|| evaluate::mean(&evaluate::errors(net, run.code_bits, test)));
        let errors = evaluate::errors_int8::<E, D>(&blob.open()?, test).map_err(|source| blob.error(source))?;
        let mse_integers = evaluate::mean(&errors);
        let seconds = self.time.as_secs_f64();
        let ms = seconds * 1e3 / f64::from(step);
        if args.json {
            let [int8, int4] = quantise::by_precision(precision, mse_integers);
            let summary = serde_json::json!({
                "test_mse": mse, "test_mse_int8": int8, "test_mse_int4": int4, "steps": step, "seconds": seconds,
                "ms_per_step": ms,
            });
            return Ok(format!("{summary}\n"));
        }
        let mut text = format!(
            "{} trained for {step} steps of {} images in {seconds:.1} s ({ms:.2} ms a step)\n\n\
             \x20         test MSE     PSNR       blob\n\
             \x20   f32  {mse:.6}  {:5.2} dB  {:9} B  {}\n\
             \x20  {format}  {mse_integers:.6}  {:5.2} dB  {:9} B  {}\n\n\
             pictures: {}, {}\n",
            run.topology,
            self.batch,
            loss::psnr(mse),
            f32_blob.len(),
            out.join("model.f32.blob").display(),
            loss::psnr(mse_integers),
            blob.bytes().len(),
            path.display(),
            out.join("reconstructions.png").display(),
            out.join("loss.png").display(),
        );
        if args.profile {
            let weights = |specs: &mut dyn Iterator<Item = LayerSpec>| -> u64 {
                specs.map(|spec| u64::from(spec.inputs) * u64::from(spec.outputs)).sum()
            };
            // Three products of each layer, two of the first; a multiplication and an addition for each weight.
            let products =
                3 * weights(&mut run.layers.iter().copied()) - weights(&mut run.layers.iter().copied().take(1));
            let operations = 2 * self.batch as u64 * products;
            write!(text, "\n{}", self.profile.table(rayon::current_num_threads(), operations, gemm::rate()))?;
        }
        Ok(text)
    }
}

/// The first test images above their reconstructions.
fn reconstructions<N: Trainable>(net: &N, code_bits: u8, test: &Images) -> Gray {
    let shown = SHOWN.min(test.len());
    let (mut code, mut acts) = ([<N::Code as autoencoder_core::Zeroed>::ZERO], zeroed_box::<N::Acts<1>>());
    let decoded: Vec<Vec<u8>> = (0..shown)
        .map(|i| {
            let mut x = [<N::In as autoencoder_core::Zeroed>::ZERO];
            host::data::Source::copy(test, i, x[0].elements_mut());
            let y = net.forward_coded::<1>(&autoencoder_core::Plain, &x, code_bits, &mut code, &mut acts);
            y[0].elements().iter().map(|y| (y * 255.0).round() as u8).collect()
        })
        .collect();
    let originals = (0..shown).map(|i| test.image(i)).collect();
    Gray::grid(&[originals, decoded.iter().map(Vec::as_slice).collect()], test.width, 2)
}

/// A path as it can be given to a shell again.
fn quoted(path: &Path) -> String {
    let shown = path.display().to_string();
    if shown.contains(char::is_whitespace) { format!("'{shown}'") } else { shown }
}
