//! A blob as a C array, for the device's library for C.

use crate::topology::describe;
use autoencoder_core::front_end::Spec;
use autoencoder_core::network::activation_bytes;
use autoencoder_core::quant::{dsp_scratch_bytes, padded};
use autoencoder_core::{Error, Network};
use autoencoder_device::Error as DeviceError;
use autoencoder_device::input::{section, window_bytes};
use autoencoder_device::learn::{learning_bytes, record_bytes};
use autoencoder_device::store::slot_bytes;

/// The two files of an array.
#[derive(Debug)]
pub struct CArray {
    /// `NAME.h`: the lengths, and the array's declaration.
    pub header: String,
    /// `NAME.c`: the array.
    pub source: String,
}

/// The keywords of C23 and C++23, and `main`.
const KEYWORDS: &str = "\
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class \
    co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype \
    default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int \
    long main mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register \
    reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast struct switch \
    template this thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using \
    virtual void volatile wchar_t while xor xor_eq";

/// The headers of C. A file of the same name would be found in their place.
const HEADERS: &str = "\
    assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic \
    stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype";

/// Whether a name has a meaning in a program in C or C++ that includes the array's header: a keyword, a type of `stdint.h`, a
/// header of C, or that of the library.
pub fn is_reserved(name: &str) -> bool {
    let number = name.trim_start_matches('u').strip_prefix("int");
    let integer = number.is_some_and(|rest| rest.ends_with("_t"));
    // A file system may ignore the case.
    let lower = name.to_ascii_lowercase();
    let is_in = |list: &str, name: &str| list.split(' ').any(|word| word == name);
    integer || is_in(KEYWORDS, name) || is_in(HEADERS, &lower) || lower == "autoencoder"
}

/// Whether a name can be that of an array, unless it [is reserved](is_reserved).
pub fn is_identifier(name: &str) -> bool {
    let word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    word && name.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// The blob of a network as a constant array with this name, which [is an identifier](is_identifier).
///
/// The lengths are those of `ae_info`, and memory is at least that: it is the memory of the kernel that needs the most, the one for
/// the DSP extension.
pub fn c_array(network: &Network<'_>, name: &str) -> Result<CArray, Error> {
    let (bytes, topology) = (network.blob().bytes(), network.topology());
    let spec = match section(network) {
        Ok(section) => Some(section.spec),
        Err(DeviceError::NoSection) => None,
        Err(DeviceError::Weights(error)) => return Err(error),
        Err(_) => return Err(Error::Malformed), // a section for the inputs of another network
    };
    let upper = name.to_ascii_uppercase();
    let comment = format!("{}, written by `autoencoder export --format c`", describe(topology));

    let guard =
        format!("#ifndef {upper}_H\n#define {upper}_H\n\n#include <stdint.h>\n\n/* Bytes, unless said otherwise. */\n");
    let macros = lengths(network, spec)
        .map(|(what, value, comment)| format!("#define {upper}_{what} {value}u /* {comment} */\n"))
        .concat();
    let declaration = format!("extern const uint8_t {name}[{upper}_BYTES];");
    let header = format!(
        "/* {comment}. */\n{guard}{macros}\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n{declaration}\n#ifdef __cplusplus\n}}\n#endif\n\n\
         #endif\n"
    );

    let mut source = format!(
        "/* {comment}. */\n#include \"{name}.h\"\n\n\
         #if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L\n_Alignas(16)\n\
         #elif defined(__GNUC__)\n__attribute__((aligned(16)))\n\
         #else\n#error \"align the array to 16 bytes\"\n#endif\nconst uint8_t {name}[{upper}_BYTES] = {{\n"
    );
    for line in bytes.chunks(24) {
        source += "    ";
        for byte in line {
            source += &byte.to_string();
            source.push(',');
        }
        source.push('\n');
    }
    source += "};\n";
    Ok(CArray { header, source })
}

/// The name, the value and the meaning of each length.
fn lengths(network: &Network<'_>, spec: Option<Spec>) -> [(&'static str, usize, &'static str); 10] {
    let topology = network.topology();
    let scratch = topology.layers().iter().map(|layer| dsp_scratch_bytes(padded(layer.inputs.into()))).max();
    let codec = activation_bytes(topology) + scratch.unwrap_or_default();
    let windows = spec.map_or(0, |spec| window_bytes(&spec));
    let learning = learning_bytes(network);
    let of = |number: fn(Spec) -> u16| spec.map_or(0, |spec| number(spec).into());
    [
        ("BYTES", network.blob().bytes().len(), "the array"),
        ("ROW_BYTES", topology.row(), "a row"),
        ("CODE_BYTES", network.code_bytes(), "a packed code"),
        ("CHANNELS", of(|spec| spec.channels), "numbers of a sample; 0: it takes rows alone"),
        ("WINDOW", of(|spec| spec.window), "samples of a window"),
        ("HOP", of(|spec| spec.hop), "samples from window to window"),
        ("CODEC_MEMORY", codec, "memory of an ae_codec"),
        ("DETECTOR_MEMORY", if spec.is_some() { codec + windows } else { 0 }, "memory of an ae_detector"),
        ("LEARNER_MEMORY", codec + windows + learning, "least memory of an ae_learner"),
        ("RECORD_BYTES", slot_bytes(record_bytes(network.channels()), 1), "least slot of the flash; it has two"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_identifier() {
        for (name, is) in [("model", true), ("m_8", true), ("8m", false), ("a-b", false), ("", false), ("_a", false)] {
            assert_eq!(is_identifier(name), is, "{name}");
        }
    }

    #[test]
    fn a_name_that_means_something_else_is_reserved() {
        let reserved =
            ["int", "register", "class", "and", "uint8_t", "int_fast16_t", "intptr_t", "stdint", "Math", "Autoencoder"];
        assert!(reserved.iter().all(|name| is_reserved(name)));
        assert!(
            ["model", "classic", "Int", "interval", "uint8", "ae", "print_t"].iter().all(|name| !is_reserved(name))
        );
    }
}
