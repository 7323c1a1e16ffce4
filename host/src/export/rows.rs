//! The same 8-bit weights in another layout: row by row, for a processor with Helium.

use super::tiles::four_rows;
use autoencoder_core::Error;
use autoencoder_core::blob::{Blob, Format, Header, RawLayer};
use autoencoder_core::quant::{Int8Tile, padded, rows};
use autoencoder_io::blob_file::write_blob;
use zerocopy::FromBytes;

/// An int8 blob with its weights row by row. Everything else stays as it is. Returns [`Error::Format`] for a blob of another
/// format.
pub fn in_rows(blob: &Blob<'_>) -> Result<Vec<u8>, Error> {
    if blob.header().format != Format::Int8 {
        return Err(Error::Format);
    }
    let mut reader = blob.layers();
    let mut layers = Vec::new();
    for spec in blob.header().topology.layers() {
        let layer = reader.next_layer()?;
        let tiles = <[Int8Tile]>::ref_from_bytes(layer.weights).map_err(|_| Error::Malformed)?;
        let groups = tiles.chunks_exact(padded(spec.inputs.into()) / 4);
        layers.push((layer, groups.flat_map(four_rows).flatten().map(rows::pack).collect::<Vec<u8>>()));
    }
    let header = Header { format: Format::Int8Rows, ..blob.header().clone() };
    write_blob(&header, layers.iter().map(|(layer, weights)| RawLayer { weights, ..*layer }), blob.input()?)
}
