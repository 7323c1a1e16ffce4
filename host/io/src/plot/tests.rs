use super::*;

#[test]
fn short_numbers_keep_three_decimals() {
    let cases = [
        (0.0, "0"),
        (-0.0, "0"),
        (-0.0004, "0"),
        (0.25, "0.25"),
        (0.1 + 0.2, "0.3"),
        (-50.0, "-50"),
        (999.0, "999"),
        (20_000.0, "20k"),
        (1_500.0, "1.5k"),
        (3e6, "3M"),
        (4_294_967_295.0, "4.295G"),
    ];
    for (number, expected) in cases {
        assert_eq!(short(number), expected);
    }
}

#[test]
fn a_long_name_is_clipped_and_stays_in_a_line() {
    assert_eq!(clipped("temperature", 11), "temperature");
    assert_eq!(clipped("temperature", 10), "temperatu…");
    assert_eq!(clipped("größe\n2", 7), "größe 2");
    assert_eq!(clipped("ab", 0), "…");
}

#[test]
fn every_range_of_scores_has_ticks_in_it() {
    assert_eq!(ticks(0.3, 40.0), [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]);
    assert_eq!(ticks(5.0, 1e4), [10.0, 100.0, 1e3, 1e4]);
    for numbers in [&[][..], &[0.0], &[1.0], &[300.0, 320.0], &[65.0; 3], &[0.0, 4e9], &[7.9e8, 8.1e8]] {
        let (low, high) = log_range(numbers.iter().copied());
        assert!(numbers.iter().all(|number| (low..=high).contains(&number.max(1.0))), "{numbers:?}");
        assert!(low > 0.0 && ticks(low, high).len() >= 2, "{numbers:?}: {low} to {high}");
    }
}

#[test]
fn a_legend_that_is_too_long_for_a_line_goes_on_in_the_next() {
    let ends = |count: usize| {
        let mut end = 0;
        let entries: Vec<_> = (0..count).map(|i| (Mark::Box, colour(i).to_rgba(), format!("label {i}"))).collect();
        pixels(SIZE, |area| {
            end = legend(area, 30, &entries)?;
            Ok(())
        })
        .unwrap();
        end
    };
    assert_eq!([0, 1, 5, 15].map(ends), [30, 50, 50, 70]);
}

#[test]
fn a_picture_that_cannot_be_drawn_is_an_error_with_its_name() {
    let error = write(Path::new("picture.png"), SIZE, |_| Err("no ink".into())).unwrap_err();
    assert_eq!(error.to_string(), "picture.png: no ink");
    assert!(!Path::new("picture.png").exists());
}
