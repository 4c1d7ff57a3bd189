//! Numbers that may be NaN or infinite, in formats such as JSON that know no such numbers.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Other(String),
}

impl From<f64> for Number {
    fn from(x: f64) -> Self {
        if x.is_finite() { Self::Finite(x) } else { Self::Other(x.to_string()) }
    }
}

impl Number {
    fn value<E: serde::de::Error>(self) -> Result<f64, E> {
        match self {
            Self::Finite(x) => Ok(x),
            Self::Other(word) => match word.as_str() {
                "NaN" => Ok(f64::NAN),
                "inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                _ => Err(E::custom(format_args!("`{word:.40}` is no number"))),
            },
        }
    }
}

pub(super) fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        Number::from(*x).serialize(serializer)
    } else {
        x.serialize(serializer)
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    if deserializer.is_human_readable() {
        Number::deserialize(deserializer)
            .map_err(|_| D::Error::custom("expected a number, \"NaN\", \"inf\" or \"-inf\""))?
            .value()
    } else {
        f64::deserialize(deserializer)
    }
}

/// Lists of such numbers.
pub(super) mod list {
    use super::{Deserialize, Deserializer, Number, Serialize, Serializer};

    pub fn serialize<S: Serializer>(list: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_seq(list.iter().map(|&x| Number::from(x)))
        } else {
            list.serialize(serializer)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        if deserializer.is_human_readable() {
            Vec::<Number>::deserialize(deserializer)?.into_iter().map(Number::value).collect()
        } else {
            Vec::deserialize(deserializer)
        }
    }
}
