//! A network in `f32` gives the same bits whether its shape is a type, as in the core, or a value, as on the host.

use autoencoder_core::blob::{Blob, Format, Header, RawLayer};
use autoencoder_core::layer::Row;
use autoencoder_core::model::{Anomaly, Classic};
use autoencoder_core::quant::QuantParams;
use autoencoder_core::{Autoencoder, Backward, Dense, Identity, Parameters, Relu, Topology, Zeroed, dense};
use autoencoder_io::blob_file::{BlobFile, write_blob};
use autoencoder_io::zeroed_box;
use host::network::{FloatNetwork, range};
use tests::net::{Net, Random};
use zerocopy::IntoBytes;

/// Every layer's outputs, then every layer's `dL/dz`, then all parameters' gradients, as bits.
type Bits = [Vec<u32>; 3];

fn bits<'a>(arrays: impl IntoIterator<Item = &'a [f32]>) -> Vec<u32> {
    arrays.into_iter().flatten().map(|x| x.to_bits()).collect()
}

/// The shape as a type: `L = Σ (y - x)²`.
fn typed<N, const B: usize>(blob: &Blob<'_>, x: &[f32]) -> Bits
where
    N: Backward<In: Row, Out: Row> + Parameters + Zeroed,
{
    let (mut net, mut gradient) = (zeroed_box::<N>(), zeroed_box::<N>());
    blob.copy_f32(&mut *net).unwrap();
    let mut rows = [N::In::ZERO; B];
    rows.iter_mut().zip(x.chunks(N::In::LEN)).for_each(|(row, x)| row.elements_mut().copy_from_slice(x));
    let (mut acts, mut d) = (zeroed_box::<N::Acts<B>>(), zeroed_box::<N::Acts<B>>());
    net.forward(&rows, &mut *acts);
    let y = N::output(&acts, B).iter().flat_map(Row::elements);
    let dy = N::output_mut(&mut d, B).iter_mut().flat_map(Row::elements_mut);
    dy.zip(y).zip(x).for_each(|((dy, y), x)| *dy = 2.0 * (y - x));
    net.backward(&rows, &acts, &mut d, None, &mut gradient);
    [bits(N::layer_outputs(&acts, B)), bits(N::layer_outputs(&d, B)), bits(gradient.slices())]
}

/// Computes the same by plain loops over the host's network.
fn by_value(network: &FloatNetwork, rows: usize, x: &[f32]) -> Bits {
    let room: Vec<Vec<f32>> = network.layers().map(|layer| vec![0.0; rows * layer.bias.len()]).collect();
    let (mut y, mut d, mut gradient) = (room.clone(), room, FloatNetwork::new(network.topology()));
    for (i, layer) in network.layers().enumerate() {
        let (before, y) = y.split_at_mut(i);
        let x = before.last().map_or(x, |x| x);
        dense::forward(layer.spec, layer.weights, layer.bias, x, &mut y[0]);
    }
    let last = y.len() - 1;
    d[last].iter_mut().zip(&y[last]).zip(x).for_each(|((d, y), x)| *d = 2.0 * (y - x));
    for i in (0..=last).rev() {
        let (layer, (before, d)) = (network.layer(i), d.split_at_mut(i));
        let x = if i == 0 { x } else { &y[i - 1] };
        let (dx, (dw, db)) = (before.last_mut().map(|dx| &mut dx[..]), gradient.layer_mut(i));
        dense::backward(layer.spec, layer.weights, x, &y[i], &mut d[0], dx, dw, db);
    }
    [y, d, vec![gradient.parameters().to_vec()]].map(|arrays| bits(arrays.iter().map(|array| &array[..])))
}

/// Checks that both read the same blob, compute the same bits, and have their parameters in the same order.
fn agree<N, const B: usize>()
where
    N: Backward<In: Row, Out: Row> + Parameters + Zeroed,
{
    let specs: Vec<_> = N::specs().collect();
    let topology = Topology::new(&specs, 1).unwrap();
    let random = &mut Random::new(1);
    let mut network = FloatNetwork::new(&topology);
    network.parameters_mut().iter_mut().for_each(|w| *w = random.range(-1000, 1000) as f32 / 4000.0);
    let layers = (0..specs.len()).map(|i| RawLayer {
        output: QuantParams::UNIT,
        channels: &[],
        weights: network.parameters()[range(&topology, i)].as_bytes(),
    });
    let header = Header { format: Format::F32, topology: topology.clone(), ..Net::new("1-1", 1).header() };
    let file = BlobFile::new("blob".as_ref(), &write_blob(&header, layers, &[]).unwrap());
    let blob = file.open().unwrap();
    assert_eq!(FloatNetwork::from_blob(&blob).unwrap(), network);
    let x: Vec<f32> = random.bytes(B * topology.inputs()).into_iter().map(|x| f32::from(x) / 255.0).collect();
    let [typed, by_value] = [typed::<N, B>(&blob, &x), by_value(&network, B, &x)];
    assert!(typed == by_value, "{topology}");
    assert!(
        typed.iter().all(|bits| bits.iter().filter(|bits| **bits != 0).count() > bits.len() / 4),
        "{topology}: zeros"
    );
}

#[test]
fn a_network_as_a_type_and_as_a_value_gives_the_same_bits() {
    agree::<Classic, 3>();
    agree::<Anomaly, 2>();
    agree::<Autoencoder<Dense<5, 3, Relu>, Dense<3, 5, Identity>>, 4>();
}
