use super::*;

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-14, "{found}, not {expected}");
}

/// Scores with ties, within each kind and between them.
fn scores() -> [Vec<u32>; 2] {
    [(0..40).map(|i| 3 * i * i % 101).collect(), (0..25).map(|i| 20 + 7 * i * i % 113).collect()]
}

/// The expected numbers are those of scikit-learn 1.9:
///
/// ```text
/// normal, faulty = [3 * i * i % 101 for i in range(40)], [20 + 7 * i * i % 113 for i in range(25)]
/// roc_auc_score([0] * 40 + [1] * 25, normal + faulty), average_precision_score(…)
/// roc_curve([0, 0, 0, 0, 1, 1, 1], [1, 3, 3, 5, 3, 5, 9], drop_intermediate=False)
/// ```
#[test]
fn the_curve_and_its_areas_are_those_of_scikit_learn() {
    let [normal, faulty] = scores();
    let roc = Roc::new(&normal, &faulty).unwrap();
    close(roc.auc(), 0.696);
    close(roc.average_precision(), 0.693_226_495_946_623_9);

    let roc = Roc::new(&[1.0, 3.0, 3.0, 5.0], &[3.0, 5.0, 9.0]).unwrap();
    let third = 1.0 / 3.0;
    assert_eq!(roc.points(), [(0.0, 0.0), (0.0, third), (0.25, 2.0 * third), (0.75, 1.0), (1.0, 1.0)]);
    close(roc.auc(), 0.791_666_666_666_666_6);
    close(roc.average_precision(), 0.722_222_222_222_222_2);
}

#[test]
fn the_area_is_the_share_of_pairs_in_order() {
    let [normal, faulty] = scores();
    for (normal, faulty) in [(&normal, &faulty), (&faulty, &normal), (&normal, &normal), (&vec![7], &faulty)] {
        let pairs = || normal.iter().flat_map(|n| faulty.iter().map(move |f| (n, f)));
        let count = |holds: fn(&u32, &u32) -> bool| pairs().filter(|(n, f)| holds(n, f)).count() as f64;
        let expected = (count(|n, f| f > n) + 0.5 * count(|n, f| f == n)) / pairs().count() as f64;
        close(Roc::new(normal, faulty).unwrap().auc(), expected);
    }
}

#[test]
fn the_order_of_rows_and_the_type_of_scores_change_nothing() {
    let [normal, faulty] = scores();
    let [reversed, floats] = [
        Roc::new(&normal.iter().copied().rev().collect::<Vec<_>>(), &faulty),
        Roc::new(
            &normal.iter().map(|s| f64::from(*s)).collect::<Vec<_>>(),
            &faulty.iter().map(|s| f64::from(*s)).collect::<Vec<_>>(),
        ),
    ]
    .map(|roc| roc.unwrap().points());
    let points = Roc::new(&normal, &faulty).unwrap().points();
    assert!(points == reversed && points == floats);
}

#[test]
fn separate_scores_have_an_area_of_one_and_the_largest_scores_are_told_apart() {
    let roc = Roc::new(&[0, u32::MAX - 1], &[u32::MAX]).unwrap();
    assert_eq!((roc.auc(), roc.average_precision()), (1.0, 1.0));
    assert!(Roc::new::<u32>(&[], &[1]).is_none() && Roc::new::<u32>(&[1], &[]).is_none());
}

/// `scipy.stats.binomtest(count, total).proportion_ci(method="wilson")` of version 1.17
#[test]
fn intervals_are_those_of_scipy() {
    for (count, total, [low, high]) in [
        (0, 20, [0.0, 0.161_125_158_052_819_35]),
        (20, 20, [0.838_874_841_947_180_8, 1.0]),
        (7, 20, [0.181_191_824_101_082_1, 0.567_145_723_314_763_7]),
        (1, 1, [0.206_549_314_377_237_45, 1.0]),
        (3, 100_000, [1.020_275_854_451_734_1e-5, 8.820_804_925_176_73e-5]),
    ] {
        let found = Proportion::new(count, total).unwrap().interval();
        close(found[0], low);
        close(found[1], high);
    }
    for total in 1..1000 {
        let [none, all] = [0, total].map(|count| Proportion::new(count, total).unwrap().interval());
        assert!(none[0] == 0.0 && all[1] == 1.0, "{total}: {none:?}, {all:?}");
    }
    assert_eq!(Proportion::new(0, 0), None);
}

/// The expected numbers are those of Python:
///
/// ```text
/// def interval(x, t):     # ten windows of each source, x of which are above; t = scipy.stats.t.ppf(0.975, len(x) - 1)
///     R, p = len(x), sum(x) / (10 * len(x))
///     n = p * (1 - p) / (R / (R - 1) * sum((x - p * 10) ** 2 for x in x) / (10 * R) ** 2)     # 5.25, 6.86, 9
///     middle, half = p + t * t / 2 / n, t * sqrt(p * (1 - p) / n + t * t / 4 / n / n)
///     return (middle - half) / (1 + t * t / n), (middle + half) / (1 + t * t / n)
/// interval([5, 1], 12.7062), interval([5, 0, 1], 4.3027), interval([5, 0, 1, 0], 3.1824)
/// ```
#[test]
fn windows_of_one_source_count_as_fewer() {
    let windows = |above: &[usize]| {
        let of = |(recording, above): (usize, &usize)| (0..10).map(|i| (recording, i < *above)).collect::<Vec<_>>();
        above.iter().enumerate().flat_map(of).collect::<Vec<_>>()
    };
    let interval = |above: &[usize], overlap| Proportion::of_windows(windows(above), overlap).unwrap().interval();
    for (above, expected) in [
        (&[5, 1][..], [0.002_879_033_246, 0.984_523_298_716]),
        (&[5, 0, 1], [0.013_108_975_575, 0.824_722_097_033]),
        (&[5, 0, 1, 0], [0.016_176_378_165, 0.654_457_835_043]),
    ] {
        for (found, expected) in interval(above, 1.0).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-10, "{above:?}: {found}, not {expected}");
        }
    }
    let independent = |count, total| Proportion::new(count, total).unwrap().interval();
    // No spread between sources: all 40 count, or a quarter of them if each sample is in four windows.
    assert_eq!(interval(&[1, 1, 1, 1], 1.0), independent(4, 40));
    assert_eq!(interval(&[0, 0, 0, 0], 4.0), independent(0, 10));
    assert_eq!(interval(&[10, 10], 2.0), independent(10, 10));
    assert_eq!(interval(&[3], 1.0), independent(3, 10));
    // Two sources that are as different as can be say almost nothing.
    let [low, high] = interval(&[10, 0], 1.0);
    assert!((low - 0.001_541_334).abs() < 1e-9 && (high - 0.998_458_666).abs() < 1e-9, "{low}, {high}");
    // Many sources have the normal distribution.
    let many = [&[5; 20][..], &[0; 20]].concat();
    let of = Proportion::of_windows(windows(&many), 1.0).map(|share| share.independent);
    assert!(of.is_some_and(|of| (of - 0.1875 / (40.0 / 39.0 * 250.0 / 160_000.0)).abs() < 1e-9), "{of:?}");
    assert_eq!(Proportion::of_windows::<usize>([], 1.0), None);
}

#[test]
fn a_score_at_the_threshold_is_not_above_it() {
    let above = Proportion::above(&[1u32, 5, 5, 6], 5).unwrap();
    assert_eq!((above, above.share()), (Proportion::new(1, 4).unwrap(), 0.25));
    assert_eq!(Proportion::above(&[0.5, 0.25], 0.25).map(|p| p.share()), Some(0.5));
    assert_eq!(Proportion::above::<u32>(&[], 5), None);
}

/// A window a character: `!` with a drift, and `x` faulty.
fn events(streams: &[[&str; 2]]) -> Events {
    let mut events = Events::default();
    for [drifted, faulty] in streams {
        let is = |text: &str, mark| text.chars().map(|c| c == mark).collect::<Vec<_>>();
        events.add(&is(drifted, '!'), &is(faulty, 'x'));
    }
    events
}

#[test]
fn alarms_are_false_where_they_begin_in_normal_windows_and_find_stretches() {
    let one = events(&[[
        "!!..!....!!!!.....!!..!!!", // of five alarms, one begins in a faulty window
        ".......xxxxx...xx...xx...",
    ]]);
    let expected =
        Events { false_alarms: 4, normal_windows: 16, normal_windows_in_alarm: 9, stretches: 3, delays: vec![2] };
    assert_eq!(one, expected);
    assert_eq!(one.detected(), Proportion::new(1, 3));
    // 16 windows of 50 samples at 100 Hz are 8 s.
    assert_eq!(one.false_alarms_per_hour(50, 100.0), Some(4.0 * 3600.0 / 8.0));
}

#[test]
fn an_alarm_at_the_end_of_a_stream_does_not_reach_the_next_one() {
    let events = events(&[["!!!!", "x..x"], ["!", "."], [".!", "xx"], ["", ""]]);
    let expected =
        Events { false_alarms: 1, normal_windows: 3, normal_windows_in_alarm: 3, stretches: 3, delays: vec![0, 0, 1] };
    assert_eq!(events, expected);
}

#[test]
fn figures_of_nothing_are_none() {
    let normal = events(&[["..", ".."]]);
    assert_eq!((normal.detected(), normal.false_alarms_per_hour(1, 1.0)), (None, Some(0.0)));
    assert_eq!(normal.false_alarms_per_hour(1, 0.0), None, "the rate is not known");
    let faulty = events(&[["..", "xx"]]);
    assert_eq!((faulty.detected(), faulty.false_alarms_per_hour(1, 1.0)), (Proportion::new(0, 1), None));
}
