//! The program as a user runs it.

mod any_network;
mod codec;
mod measured;
#[path = "../../device/tests/common/net.rs"]
mod net;
mod place;
mod refused;
