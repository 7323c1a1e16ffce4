//! Serialisation that errors and messages share.

use serde::{Deserialize, Deserializer, Serializer};

/// Serialises a number: `#[serde(serialize_with = "wire::number")]`.
///
/// Otherwise, postcard inlines the loop that writes a variable-length integer for every field. One shared copy makes an
/// image 1,200 bytes smaller.
#[inline(never)]
pub fn number<S: Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(*number)
}

/// As [`number`], for one of 16 bits: the bytes of a variable-length number do not depend on its type.
pub fn short<S: Serializer>(number: &u16, serializer: S) -> Result<S::Ok, S::Error> {
    self::number(&(*number).into(), serializer)
}

/// Deserialises a number, in one shared copy: `#[serde(deserialize_with = "wire::read_number")]`.
#[inline(never)]
pub fn read_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    u32::deserialize(deserializer)
}
