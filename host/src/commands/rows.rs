//! Checks of the rows that a command reads.

use anyhow::ensure;
use autoencoder_core::Topology;
use autoencoder_io::idx::{IdxError, Images};
use autoencoder_io::number::counted;
use autoencoder_io::topology::describe;

/// Labels only make figures more detailed. If their file cannot be used, this prints a warning and returns none.
pub fn optional_labels(labels: Result<Option<Vec<u8>>, IdxError>) -> Option<Vec<u8>> {
    labels.unwrap_or_else(|error| {
        let error = anyhow::Error::from(error);
        eprintln!("warning: {error:#}; going on without labels");
        None
    })
}

/// Returns an error unless the network has as many outputs as inputs, and the rows have as many values.
pub fn ensure_fits(topology: &Topology, rows: &Images, data: &str) -> anyhow::Result<()> {
    let (inputs, outputs) = (topology.inputs(), topology.outputs());
    ensure!(
        topology.has_encoder() && inputs == outputs,
        "{}: an autoencoder has as many outputs as inputs, not {outputs} and {inputs}",
        describe(topology)
    );
    let (found, network) = (rows.image_size(), describe(topology));
    let values = counted(found, "value");
    ensure!(found == inputs, "{data}: rows of {values}, where {network} takes {inputs}");
    Ok(())
}
