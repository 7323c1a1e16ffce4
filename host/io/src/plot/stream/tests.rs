use super::*;

const WINDOWS: usize = 100_000;

/// A quiet stream, with scores from 1,000 to 1,096.
fn quiet() -> Vec<u32> {
    (0..WINDOWS as u32).map(|i| 1000 + i * 37 % 97).collect()
}

fn stream<'a>(scores: &'a [u32], drifted: &'a [bool]) -> Stream<'a> {
    let thresholds = Thresholds { lower: 500, upper: 2000 };
    Stream { title: "a stream", scores, thresholds, drifted, labels: &[], names: &[], seconds: Some(0.5) }
}

/// The columns of the chart that have a pixel of this colour, between two rows.
fn columns_with(stream: &Stream<'_>, colour: RGBColor, rows: Range<usize>) -> Vec<usize> {
    let pixels = super::super::pixels(SIZE, |area| Stream::draw_all(&[*stream], area)).unwrap();
    let width = SIZE.0 as usize;
    let has = |x: usize, y: usize| pixels[3 * (y * width + x)..][..3] == [colour.0, colour.1, colour.2];
    (72..width).filter(|x| rows.clone().any(|y| has(*x, y))).collect()
}

/// The column of a window: the chart begins after the 72 pixels of the score axis and ends 28 before the right edge.
fn column(window: usize) -> usize {
    72 + window * (800 - 72 - 28) / WINDOWS
}

#[test]
fn one_odd_window_of_many_is_seen() {
    let (mut scores, drifted) = (quiet(), vec![false; WINDOWS]);
    scores[30_000] = 4_000_000;
    // Far above the others there is only the spike.
    let spike = columns_with(&stream(&scores, &drifted), SCORE, 150..250);
    assert!(!spike.is_empty() && spike.iter().all(|x| x.abs_diff(column(30_000)) <= 1), "{spike:?}");
}

#[test]
fn one_window_of_drift_is_seen_where_it_is() {
    let (scores, mut drifted) = (quiet(), vec![false; WINDOWS]);
    assert_eq!(columns_with(&stream(&scores, &drifted), DRIFT, 80..400), []);
    drifted[70_000] = true;
    let shaded = columns_with(&stream(&scores, &drifted), DRIFT, 80..400);
    assert!((2..=3).contains(&shaded.len()) && shaded.iter().all(|x| x.abs_diff(column(70_000)) <= 2), "{shaded:?}");
    drifted[70_000..80_000].fill(true);
    let shaded = columns_with(&stream(&scores, &drifted), DRIFT, 80..400);
    assert!(shaded[0].abs_diff(column(70_000)) <= 1 && shaded[shaded.len() - 1].abs_diff(column(80_000)) <= 1);
    assert!(shaded.len() > 60, "{shaded:?}");
}

#[test]
fn the_strip_shows_the_rarest_label_of_a_column() {
    let (scores, drifted) = (quiet(), vec![false; WINDOWS]);
    let names = ["normal", "fault", "spark"].map(String::from);
    let mut labels = vec![0; WINDOWS];
    labels[50_000..60_000].fill(1);
    labels[55_000] = 2;
    let stream = Stream { labels: &labels, names: &names, ..stream(&scores, &drifted) };
    let shown = [0, 1, 2].map(|label| columns_with(&stream, colour(label), 54..70));
    assert_eq!(shown[0].len() + shown[1].len() + shown[2].len(), 800 - 72 - 28);
    assert!(shown[1][0].abs_diff(column(50_000)) <= 1);
    assert!(shown[2].iter().all(|x| x.abs_diff(column(55_000)) <= 1) && !shown[2].is_empty());
}

#[test]
fn thresholds_that_were_not_calibrated_are_no_lines() {
    let (scores, drifted) = (quiet(), vec![false; WINDOWS]);
    let count = |thresholds| {
        let stream = Stream { thresholds, ..stream(&scores, &drifted) };
        columns_with(&stream, THRESHOLD, 60..400).len()
    };
    assert_eq!(count(Thresholds::NONE), 0);
    assert!(count(Thresholds { lower: 0, upper: 1050 }) > 690);
    assert!(count(Thresholds { lower: 1050, upper: u32::MAX }) > 690);
}

#[test]
fn the_axis_has_a_unit_that_fits_the_stream() {
    let unit = |seconds| stream(&[0; 1000], &[false; 1000]).seconds(seconds).time_axis();
    assert_eq!(unit(None), (1.0, "window"));
    assert_eq!(unit(Some(0.0)), (1.0, "window"));
    assert_eq!(unit(Some(f64::NAN)), (1.0, "window"));
    assert_eq!(unit(Some(0.5)), (0.5, "time (s)"));
    assert_eq!(unit(Some(6.0)), (0.1, "time (min)"));
    assert_eq!(unit(Some(36.0)), (0.01, "time (h)"));
}

impl Stream<'_> {
    fn seconds(self, seconds: Option<f64>) -> Self {
        Self { seconds, ..self }
    }
}

#[test]
fn any_stream_can_be_drawn() {
    let names: Vec<String> = (0..40).map(|i| format!("label {i}")).collect();
    for scores in [&[][..], &[0], &[u32::MAX; 2], &[0, u32::MAX, 5], &[7; 3000]] {
        let labels: Vec<u32> = (0..scores.len() as u32).map(|i| i * 7 % 50).collect();
        for (drifted, labels) in [(true, &labels[..]), (false, &[])] {
            let drifted = vec![drifted; scores.len()];
            for thresholds in [Thresholds::NONE, Thresholds { lower: 0, upper: 0 }] {
                let stream = Stream { thresholds, labels, names: &names, ..stream(scores, &drifted) };
                super::super::pixels(SIZE, |area| Stream::draw_all(&[stream], area)).unwrap();
            }
        }
    }
}

#[test]
fn streams_below_each_other_are_those_of_single_pictures() {
    let (scores, mut drifted) = (quiet(), vec![false; WINDOWS]);
    drifted[10_000..20_000].fill(true);
    let names = ["normal", "fault"].map(String::from);
    let mut labels = vec![0; WINDOWS];
    labels[50_000..60_000].fill(1);
    let first = stream(&scores, &drifted);
    let second = Stream { labels: &labels, names: &names, ..first };
    let both = super::super::pixels(size(2), |area| Stream::draw_all(&[first, second], area)).unwrap();
    let single =
        [first, second].map(|stream| super::super::pixels(SIZE, |area| Stream::draw_all(&[stream], area)).unwrap());
    assert!(both == single.concat());
}

#[test]
fn streams_below_each_other_have_one_axis_of_scores() {
    let (scores, drifted) = (quiet(), vec![false; WINDOWS]);
    let loud: Vec<u32> = scores.iter().map(|score| 1000 * score).collect();
    let [quiet, loud] = [stream(&scores, &drifted), stream(&loud, &drifted)];
    let draw = |streams: &[Stream<'_>]| {
        super::super::pixels(size(streams.len()), |area| Stream::draw_all(streams, area)).unwrap()
    };
    let [both, reversed] = [draw(&[quiet, loud]), draw(&[loud, quiet])];
    let (quiet_first, quiet_last) = (&both[..both.len() / 2], &reversed[both.len() / 2..]);
    assert!(quiet_first == quiet_last && quiet_first != draw(&[quiet]));
}
