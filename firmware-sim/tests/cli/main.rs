//! The program as a user runs it.

mod any_network;
mod boards;
mod codec;
mod codes;
mod kept;
mod measured;
#[path = "../../device/tests/common/net.rs"]
mod net;
mod page;
mod place;
mod recordings;
mod refused;
mod said;
