//! What errors and messages need to be sent.

use serde::Serializer;

/// Serialises a number: `#[serde(serialize_with = "wire::number")]`.
///
/// Left to itself, postcard writes out the loop of a variable-length integer for every field. One copy for all of them saves
/// 1,200 bytes of an image.
#[inline(never)]
pub fn number<S: Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(*number)
}
