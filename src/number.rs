//! Numbers that may be NaN or infinite, in formats such as JSON that know no such numbers: there they are words.

use crate::Real;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number as a person reads it.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, \"NaN\", \"inf\" or \"-inf\"")]
enum Number {
    Finite(f64),
    Other(Word),
}

#[derive(Serialize, Deserialize)]
enum Word {
    #[serde(rename = "NaN")]
    Nan,
    #[serde(rename = "inf")]
    Above,
    #[serde(rename = "-inf")]
    Below,
}

impl Number {
    fn of<F: Real>(x: F) -> Self {
        match x.as_f64() {
            x if x.is_finite() => Self::Finite(x),
            x if x.is_nan() => Self::Other(Word::Nan),
            x if x > 0.0 => Self::Other(Word::Above),
            _ => Self::Other(Word::Below),
        }
    }

    fn value<F: Real>(self) -> F {
        match self {
            Self::Finite(x) => F::of(x),
            Self::Other(Word::Nan) => F::nan(),
            Self::Other(Word::Above) => F::infinity(),
            Self::Other(Word::Below) => F::neg_infinity(),
        }
    }
}

pub(crate) fn serialize<F: Real, S: Serializer>(x: &F, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        Number::of(*x).serialize(serializer)
    } else {
        x.as_f64().serialize(serializer)
    }
}

pub(crate) fn deserialize<'de, F: Real, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<F, D::Error> {
    if deserializer.is_human_readable() {
        Number::deserialize(deserializer).map(Number::value)
    } else {
        f64::deserialize(deserializer).map(F::of)
    }
}

/// Lists of such numbers.
pub(crate) mod list {
    use super::Number;
    use crate::Real;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<F: Real, S: Serializer>(
        list: &[F],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_seq(list.iter().map(|&x| Number::of(x)))
        } else {
            serializer.collect_seq(list.iter().map(|x| x.as_f64()))
        }
    }

    pub(crate) fn deserialize<'de, F: Real, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<F>, D::Error> {
        if deserializer.is_human_readable() {
            Ok(Vec::deserialize(deserializer)?.into_iter().map(Number::value).collect())
        } else {
            Ok(Vec::deserialize(deserializer)?.into_iter().map(F::of).collect())
        }
    }
}
