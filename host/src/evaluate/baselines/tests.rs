use super::*;

/// Deterministic rows with a constant input, number 2.
fn rows(count: usize, inputs: usize, seed: usize) -> Vec<u8> {
    let value = |i: usize, j: usize| {
        let value = seed + 37 * i + 11 * j * j + i * i * (j % 3 + 1) % 17 * 5 + i * j % 23;
        if j == 2 { 77 } else { (value % 251) as u8 }
    };
    (0..count).flat_map(|i| (0..inputs).map(move |j| value(i, j))).collect()
}

/// Three other rows; the constant input of the second has changed.
fn others(inputs: usize) -> Vec<u8> {
    let mut rows = rows(3, inputs, 91);
    rows[inputs + 2] = 80;
    rows
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found}, not {expected}");
    }
}

/// The expected numbers are those of scikit-learn 1.9, with the rows in `x` and the others in `t`:
///
/// ```text
/// pca = PCA(k, svd_solver="full").fit(x)
/// ((t - pca.inverse_transform(pca.transform(t))) ** 2).sum(1)
/// lw = LedoitWolf().fit(x)
/// d, c = t - x.mean(0), lw.covariance_ + numpy.eye(inputs) / 12
/// lw.shrinkage_, numpy.einsum("ij,jk,ik->i", d, numpy.linalg.inv(c), d)
/// ```
#[test]
fn both_scores_are_those_of_scikit_learn() {
    let many = PrincipalComponents::fit(&rows(60, 6, 0), 6).unwrap();
    close(&[many.shrinkage], &[0.095_161_199_781_186_45]);
    close(
        &many.reconstruction_errors(2, &others(6)),
        &[3_648.321_614_939_071, 3_743.079_949_258_744_4, 21_732.663_564_341_76],
    );
    close(&many.mahalanobis(&others(6)), &[3.155_502_988_004_683, 3.504_334_452_867_862_4, 12.323_405_272_352_488]);

    let fewer_rows_than_inputs = PrincipalComponents::fit(&rows(5, 12, 0), 12).unwrap();
    close(&[fewer_rows_than_inputs.shrinkage], &[0.530_852_548_148_733_8]);
    close(
        &fewer_rows_than_inputs.reconstruction_errors(3, &others(12)),
        &[38_328.130_869_111_75, 32_040.489_350_269_54, 3_285.858_044_254_376],
    );
    close(
        &fewer_rows_than_inputs.mahalanobis(&others(12)),
        &[16.856_089_893_454_19, 15.953_701_496_045_818, 6.655_529_495_099_455],
    );
}

#[test]
fn rows_of_several_blocks_are_all_counted() {
    // The same rows again and again have the same components, but for the shrinkage.
    let (once, train) = (rows(60, 6, 0), rows(60, 6, 0).repeat(40));
    let [once, often] = [once, train].map(|rows| PrincipalComponents::fit(&rows, 6).unwrap());
    let many = others(6).repeat(1000);
    let scores = often.reconstruction_errors(2, &many);
    close(&scores, &once.reconstruction_errors(2, &others(6)).repeat(1000));
    close(&[often.shrinkage], &[once.shrinkage / 40.0]);
}

#[test]
fn all_components_leave_nothing_and_none_leave_the_distance_from_the_mean() {
    let train = rows(60, 6, 0);
    let fitted = PrincipalComponents::fit(&train, 6).unwrap();
    for k in [6, 7, usize::MAX] {
        assert!(fitted.reconstruction_errors(k, &others(6)).iter().all(|error| *error < 1e-18));
    }
    let mean = |i: usize| train.iter().skip(i).step_by(6).map(|x| f64::from(*x)).sum::<f64>() / 60.0;
    let distance = |row: &[u8]| row.iter().enumerate().map(|(i, x)| (f64::from(*x) - mean(i)).powi(2)).sum::<f64>();
    close(&fitted.reconstruction_errors(0, &others(6)), &others(6).chunks(6).map(distance).collect::<Vec<_>>());
}

#[test]
fn rows_without_any_change_still_have_distances() {
    // Only the variance of rounding is left: a step in one input is a distance of √12.
    for count in [1, 5] {
        let fitted = PrincipalComponents::fit(&[9, 200, 0].repeat(count), 3).unwrap();
        close(&fitted.mahalanobis(&[10, 200, 0, 9, 198, 0]), &[12.0, 48.0]);
        assert_eq!(fitted.mahalanobis(&[9, 200, 0]), [0.0]);
        assert!(fitted.mahalanobis(&[]).is_empty());
    }
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let error = |rows: &[u8], inputs| PrincipalComponents::fit(rows, inputs).unwrap_err().to_string();
    assert_eq!(error(&[], 3), "no rows to fit the baselines to");
    assert_eq!(error(&[0; 4098], 2049), "2049 inputs; the baselines take at most 2048");
}
