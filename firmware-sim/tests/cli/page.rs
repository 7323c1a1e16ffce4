//! `page`: what it refuses. `.ci/web` uses the page itself.

use crate::place::{Place, stderr};
use std::fs;
use std::net::TcpListener;

#[test]
fn a_port_that_is_taken_is_refused_before_anything_is_built() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    place.refuses(&format!("page --port {port} --out page"), &format!("--port {port}: another program may use it"));
    assert!(!place.path("page").exists());
}

#[test]
fn a_folder_with_files_of_others_is_refused_before_anything_is_built() {
    let place = Place::new();
    place.write("site/index.html", b"mine");
    place.refuses("page --port 0 --out site", "--out site: index.html is there, which this command has not written");
    assert_eq!(fs::read(place.path("site/index.html")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(place.path("site")).unwrap().count(), 1);
    place.refuses("page --port 0 --out site/index.html", "is not a folder");
}

#[test]
fn a_port_is_a_number_of_16_bits() {
    let place = Place::new();
    for port in ["65536", "-1", "http"] {
        let assert = place.run(&format!("page --port {port}")).code(2);
        assert!(stderr(&assert).contains("--port"), "{port}");
    }
}
