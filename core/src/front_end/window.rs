//! A window of samples.

/// The last samples of a stream, in a ring that starts anywhere.
///
/// A sample has one number for each channel. The ring holds whole samples.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// The older samples, and the newer ones.
    parts: [&'a [f32]; 2],
    channels: usize,
}

impl<'a> Window<'a> {
    /// A window of which the oldest sample is number `first` in `ring`. An empty one if that is beyond its end, or if there
    /// is no channel.
    pub fn new(ring: &'a [f32], first: usize, channels: usize) -> Self {
        let (newer, older) = ring.split_at_checked(first * channels).unwrap_or_default();
        Self { parts: [older, newer], channels }
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let [older, newer] = self.parts;
        let channels = self.channels.max(1); // no channel, no sample: the ring is then empty
        older.chunks_exact(channels).chain(newer.chunks_exact(channels))
    }

    /// The numbers of one channel, oldest first.
    pub fn channel(&self, channel: usize) -> impl Iterator<Item = f32> + use<'a> {
        self.samples().filter_map(move |sample| sample.get(channel).copied())
    }

    /// The mean of one channel, summed from the oldest sample on; 0 of no samples.
    pub fn mean(&self, channel: usize) -> f32 {
        let (mut sum, mut count) = (0.0, 0u32);
        for x in self.channel(channel) {
            sum += x;
            count += 1;
        }
        if count == 0 { 0.0 } else { sum / count as f32 }
    }
}
