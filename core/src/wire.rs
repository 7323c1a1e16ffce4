//! Serialisation that errors and messages share.

use serde::Serializer;

/// Serialises a number: `#[serde(serialize_with = "wire::number")]`.
///
/// Otherwise, postcard inlines the loop that writes a variable-length integer for every field. One shared copy makes an
/// image 1,200 bytes smaller.
#[inline(never)]
pub fn number<S: Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(*number)
}
