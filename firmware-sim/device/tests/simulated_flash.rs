//! Tests the simulated flash of the other tests: the state after a power cut, and the counts.

#[path = "common/simulated.rs"]
mod simulated;

use embedded_storage::nor_flash::{NorFlash, NorFlashErrorKind, ReadNorFlash};
use simulated::Simulated;

type Flash = Simulated<[u8; 64], 4, 16, 4>;

#[test]
fn a_write_stops_in_the_middle_of_a_byte() {
    for whole in 0..8 {
        let mut flash = Flash::new([0xff; 64]);
        flash.cut_after(whole);
        assert_eq!(flash.write(16, &[0; 8]), Err(NorFlashErrorKind::Other));
        let mut expected = [0xff; 64];
        expected[16..][..whole as usize].fill(0);
        expected[16 + whole as usize] = 0x55;
        assert_eq!(flash.bytes(), expected);
        for outcome in [flash.read(0, &mut []), flash.write(32, &[0; 4]), flash.erase(0, 16)] {
            assert_eq!(outcome, Err(NorFlashErrorKind::Other), "the power is off");
        }
        flash.power_on();
        assert_eq!(flash.write(32, &[0; 8]), Ok(()));
    }
    let mut flash = Flash::new([0xff; 64]);
    flash.cut_after(8);
    assert_eq!(flash.write(16, &[0; 8]), Ok(()));
    assert_eq!(flash.write(24, &[0; 4]), Err(NorFlashErrorKind::Other));
}

#[test]
fn an_erasure_stops_with_more_and_more_bits_erased() {
    let ones = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let mut last = 0;
    for steps in 0..2 * Flash::ERASE_STEPS {
        let mut flash = Flash::new([0; 64]);
        flash.cut_after(steps);
        assert_eq!(flash.erase(16, 48), Err(NorFlashErrorKind::Other));
        let [a, b, c, d] = [0, 16, 32, 48].map(|at| ones(&flash.bytes()[at..][..16]));
        assert_eq!((a, d), (0, 0), "other pages");
        assert!(b == 128 || (c == 0 && b < 128), "pages are erased in order");
        assert!(b + c >= last && (b + c > 0) == (steps > 0), "{steps} steps: {b} and {c} bits");
        last = b + c;
    }
}

#[test]
fn erasures_are_counted() {
    let mut flash = Flash::new([0; 64]);
    flash.erase(0, 16).unwrap();
    flash.erase(0, 48).unwrap();
    flash.write(0, &[0; 8]).unwrap();
    assert_eq!((flash.erasures(), flash.steps()), (&[2, 1, 1, 0], 4 * Flash::ERASE_STEPS + 8));
    flash.cut_after(0);
    assert!(flash.erase(48, 64).is_err());
    assert_eq!(flash.erasures(), &[2, 1, 1, 1], "an interrupted erasure also wears a page");
}
