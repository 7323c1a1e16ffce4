//! `firmware-sim decode`

use crate::args;
use crate::codes::{self, Contents};
use crate::drawing;
use crate::link::session::Session;
use crate::rows::{Count, Folder, Rows, Set, Shape, fits, mse, squared_error};
use crate::shift::{self, Shift};
use crate::terminal::notes;
use crate::weights::WeightsBlob;
use crate::writable::{ensure_writable, text_after};
use anyhow::ensure;
use autoencoder_device::Error;
use autoencoder_io::files;
use autoencoder_io::number::counted;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The default number of test rows.
const ROWS: usize = 16;

pub fn run(args: &args::Decode) -> anyhow::Result<String> {
    let weights = WeightsBlob::find(args.device.common.weights.as_deref())?;
    weights.ensure_decodes("decode")?;
    let packets = args.codes.as_deref().map(files::read).transpose()?;
    // Packets need no data folder. If there is one, it gives the shape of a row.
    let data = if packets.is_some() { args.data.path().ok() } else { Some(args.data.path()?) };
    let originals = match &data {
        Some(data) if packets.is_none() => {
            weights.ensure_encodes("decode of test rows")?;
            let count = Count::or("--rows", args.rows, ROWS);
            Some(shift::test(args.shift.as_ref(), data, count, &weights)?)
        }
        _ => None,
    };
    let shape = match (&originals, &data) {
        (Some(originals), _) => originals.shape,
        (None, data) => shape(data.as_deref(), args.data.is_given(), &weights)?,
    };
    let inputs = args.codes.iter().chain(&args.device.flash).chain(&data).chain([&weights.path]).map(PathBuf::as_path);
    ensure_writable(&[&args.out], inputs.chain(args.shift.as_ref().and_then(Shift::folder)))?;
    let mut session = Session::with_flash(args.device.common.target()?, &weights, args.device.flash.as_deref())?;
    let (decoded, skipped) = match (&args.codes, packets, &originals) {
        (Some(path), Some(packets), _) => from_file(path, &packets, &mut session)?,
        (_, _, originals) => {
            let rows = originals.as_ref().map_or(&[][..], |originals| &originals.rows);
            (session.reconstruct_all(rows)?, 0)
        }
    };
    let report = session.finish()?;
    let originals = originals.map(|Rows { rows, .. }| rows);
    let kinds: Vec<_> = originals.as_deref().into_iter().chain([&decoded[..]]).collect();
    let picture = drawing::png(&kinds, shape).write(&args.out);
    let mse = originals.as_ref().map(|originals| {
        let sum = originals.iter().zip(&decoded).map(|(a, b)| squared_error(a, b)).sum();
        mse(sum, decoded.len() * weights.row())
    });
    if args.device.common.json {
        let text = report.json(json!({
            "rows": decoded.len(), "skipped": skipped, "mse": mse, "out": args.out.display().to_string(),
        }));
        return text_after(text, picture);
    }
    let mut text = drawing::terminal(originals.as_deref(), &decoded, shape);
    summary(&mut text, decoded.len(), mse, shape, &args.out)?;
    report.text(&mut text)?;
    text_after(text, picture)
}

/// The shape of rows that exist only as codes: the shape in the data folder, if that was named or fits the network,
/// else a guess.
fn shape(data: Option<&Path>, named: bool, weights: &WeightsBlob) -> anyhow::Result<Shape> {
    let of = |data: &Path| {
        let images = Folder::data(data).images(Set::Test)?;
        fits(images.width, images.height, data, weights)
    };
    match data.map(of) {
        Some(shape) if named || shape.is_ok() => shape,
        _ => Ok(Shape::guess(weights.row())),
    }
}

/// Decodes a file of codes. Returns the rows and the number of packets that were skipped; reports faults on standard error.
fn from_file(path: &Path, bytes: &[u8], session: &mut Session<'_>) -> anyhow::Result<(Vec<Vec<u8>>, usize)> {
    ensure!(!bytes.is_empty(), "{}: the file is empty", path.display());
    let Contents { codes, mut skipped, mut problems } = codes::read(bytes);
    ensure!(!codes.is_empty(), "{}: no packet in it can be read; expected packets that `encode` wrote", path.display());
    let mut decoded = Vec::new();
    let mut foreign = Vec::new(); // the identity of the network that made each, and the device's
    for code in codes {
        match session.decode(code.identity, &code.packed)? {
            Ok(row) => decoded.push(row),
            Err(Error::OtherWeights { expected, found }) => foreign.push((found, expected)),
            Err(error) => {
                skipped += 1;
                problems.push(format!("byte {}: skipped a packet: {error}", code.at));
            }
        }
    }
    if let Some((found, expected)) = foreign.first() {
        skipped += foreign.len();
        let refused = format!(
            "refused {} made with other weights or other learned parameters \
             ({found:08x}; the device has {expected:08x}, {})",
            counted(foreign.len(), "packet"),
            session.weights.path.display()
        );
        ensure!(!decoded.is_empty(), "{}: {refused}", path.display());
        problems.push(refused);
    }
    notes(&path.display().to_string(), &problems);
    ensure!(!decoded.is_empty(), "{}: no packet in it can be decoded", path.display());
    Ok((decoded, skipped))
}

/// Writes the number of decoded rows, their error, and the path of the picture.
fn summary(text: &mut String, count: usize, mse: Option<f64>, shape: Shape, out: &Path) -> std::fmt::Result {
    write!(text, "\n{}{}", shape.counted(count), drawing::cut(count))?;
    if let Some(mse) = mse {
        write!(text, ", originals above their reconstructions, MSE {mse:.6}")?;
    }
    writeln!(text, ": {}", out.display())
}
