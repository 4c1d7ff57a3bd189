//! Sums of decaying exponentials: responses that stay exact for equal rates, and isolation of roots.

use crate::Real;
use smallvec::{SmallVec, smallvec};

/// exp(x). Most steps of a neuron are much shorter than its time constants, and a series is quick there.
#[inline]
pub(super) fn exp<F: Real>(x: F) -> F {
    if x.abs() > F::of(SHORT) { x.exp() } else { F::one() + short_exp_m1(x) }
}

/// exp(x) - 1.
#[inline]
pub(super) fn exp_m1<F: Real>(x: F) -> F {
    if x.abs() > F::of(SHORT) { x.exp_m1() } else { short_exp_m1(x) }
}

/// Up to here a few terms of the series give exp(x) - 1 to the last digit.
const SHORT: f64 = 1.0 / 16.0;

fn short_exp_m1<F: Real>(x: F) -> F {
    // x + x^2 (1/2! + x/3! + ... + x^7/9!), of which the next term would be less than 1e-17. Summed by halves, which do not
    // wait for each other.
    let pair = |n: f64, next: f64| F::of(n.recip()) + x * F::of(next.recip());
    let square = x * x;
    let early = pair(2.0, 6.0) + square * pair(24.0, 120.0);
    let late = pair(720.0, 5040.0) + square * pair(40_320.0, 362_880.0);
    x + square * (early + square * square * late)
}

/// exp(-b s), and the divided difference (exp(-a s) - exp(-b s)) / (b - a).
///
/// `decay_a` is exp(-a s), which the caller has. No digits are lost as b approaches a, where the
/// divided difference becomes s exp(-a s).
pub(crate) fn decay_and_difference<F: Real>(a: F, b: F, s: F, decay_a: F) -> (F, F) {
    let gap = b - a;
    let x = gap * s;
    if x.abs() > F::one() {
        let decay_b = (-b * s).exp();
        return (decay_b, (decay_a - decay_b) / gap);
    }
    // Close together: the difference of the exponentials would cancel, but not this.
    let change = exp_m1(-x);
    let difference = if gap == F::zero() { s } else { -change / gap };
    (decay_a * (F::one() + change), decay_a * difference)
}

/// int_0^s exp(-rate u) du.
pub(super) fn decay_integral<F: Real>(rate: F, s: F) -> F {
    if rate == F::zero() { s } else { -(-rate * s).exp_m1() / rate }
}

/// int_0^s exp(-q u) D(u) du, where D(u) is the divided difference of exp(-rate u) over a and b.
///
/// `difference` is D(s), which the caller has. The three forms are the same number; each loses no
/// digits where it is used.
pub(super) fn difference_integral<F: Real>(a: F, b: F, q: F, s: F, difference: F) -> F {
    let (x, y) = ((a + q) * s, (b + q) * s);
    if x >= F::one() {
        // Integrated by parts.
        let end = difference * (-q * s).exp();
        return (decay_integral(b + q, s) - end) / (a + q);
    }
    if y > F::of(2.0) {
        return (decay_integral(a + q, s) - decay_integral(b + q, s)) / (b - a);
    }
    // (1 - exp(-x))/x = sum_n (-x)^n / (n + 1)!, and the divided difference of x^n over x and y is
    // sum_k x^k y^(n-1-k).
    let mut powers = F::one();
    let mut y_power = F::one();
    let mut factor = F::of(-0.5);
    let mut sum = factor;
    for n in 2..40 {
        y_power *= y;
        powers = powers * x + y_power;
        factor /= F::of(-f64::from(n + 1));
        let term = factor * powers;
        sum += term;
        if term.abs() < F::epsilon() * sum.abs() / F::of(4.0) {
            break;
        }
    }
    -s * s * sum
}

/// (-1)^k times the divided difference of exp(-z) over these k + 1 <= 4 numbers, which may be equal. It is
/// above zero.
///
/// Close together they are taken from a power series, whose divided differences are the complete
/// symmetric polynomials; else from two differences of one number less.
pub(crate) fn decreasing_difference<F: Real, const N: usize>(mut z: [F; N]) -> F {
    z.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted_difference(&z)
}

fn sorted_difference<F: Real>(z: &[F]) -> F {
    let (first, order) = (z[0], z.len() - 1);
    let spread = z[order] - first;
    if spread > F::one() {
        return (sorted_difference(&z[..order]) - sorted_difference(&z[1..])) / spread;
    }
    // The polynomials of one degree, over the first number, the first two, ...
    let mut polynomials = [F::one(); 4];
    let mut factor = F::of((1..=order).map(|n| n as f64).product::<f64>()).recip();
    let mut total = factor;
    for degree in 1..40 {
        let mut fewer = F::zero();
        for (polynomial, &z) in polynomials.iter_mut().zip(z) {
            fewer += *polynomial * (z - first);
            *polynomial = fewer;
        }
        factor /= -F::of((degree + order) as f64);
        let term = factor * fewer;
        total += term;
        if term.abs() < F::epsilon() * total / F::of(4.0) {
            break;
        }
    }
    total * (-first).exp()
}

/// The root in [low, high] of a function that ascends through zero there, searched for from a guess on.
///
/// `f` returns value and slope, with f(low) < 0 <= f(high). Newton steps that leave the bracket are
/// replaced by bisection, so the result is certain; it ends when the bracket or the step is down to
/// rounding.
pub(super) fn ascending_root<F: Real>((low, high): (F, F), guess: F, f: impl Fn(F) -> (F, F)) -> F {
    let (mut low, mut high) = (low, high);
    let two = F::of(2.0);
    let mut x = if guess < high { guess.max(low) } else { low };
    let mut last_step = high - low;
    // Bisection alone needs as many rounds as there are bits between the bounds.
    for _ in 0..256 {
        let (value, slope) = f(x);
        if value < F::zero() {
            low = x;
        } else {
            high = x;
        }
        let newton = -value / slope;
        if value == F::zero() || newton.abs() <= F::epsilon() * x.abs() / two {
            return x;
        }
        let inside = x + newton > low && x + newton < high;
        // A Newton step that does not halve the last one is not converging yet.
        let next = if inside && newton.abs() * two < last_step {
            x + newton
        } else {
            low + (high - low) / two
        };
        if next <= low || next >= high {
            return high;
        }
        last_step = (next - x).abs();
        x = next;
    }
    x
}

/// A term c exp(-rate s).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Term<F> {
    pub coefficient: F,
    pub rate: F,
}

/// A list as long as the state of a neuron: without allocation for the usual few.
pub(super) type Few<T> = SmallVec<[T; 8]>;

pub(super) fn sum<F: Real>(terms: &[Term<F>], s: F) -> F {
    terms.iter().map(|t| t.coefficient * (-t.rate * s).exp()).sum()
}

/// All points in (0, end] at which the sum of the terms changes sign, ascending. Points at which it
/// only touches zero may be among them.
///
/// By Rolle's theorem two roots of f are separated by one of (exp(rate_0 s) f)', which has a term
/// less: so the roots of that, found first, cut (0, end) into pieces with at most one root each
/// (Pólya and Szegő, Part V, problem 75).
pub(super) fn sign_changes<F: Real>(terms: &[Term<F>], end: F) -> Few<F> {
    let mut merged: Few<Term<F>> = Few::new();
    for term in terms.iter().filter(|t| t.coefficient != F::zero()) {
        match merged.iter_mut().find(|m| m.rate == term.rate) {
            Some(m) => m.coefficient += term.coefficient,
            None => merged.push(*term),
        }
    }
    // Slowest first: multiplying by exp(rate_0 s) then leaves only decaying terms.
    merged
        .sort_unstable_by(|a, b| a.rate.partial_cmp(&b.rate).unwrap_or(std::cmp::Ordering::Equal));
    isolate(&merged, end)
}

fn isolate<F: Real>(terms: &[Term<F>], end: F) -> Few<F> {
    let positive = terms.iter().all(|t| t.coefficient >= F::zero());
    let negative = terms.iter().all(|t| t.coefficient <= F::zero());
    if positive || negative {
        return Few::new();
    }
    let slowest = terms[0].rate;
    let lifted: Few<Term<F>> =
        terms.iter().map(|t| Term { coefficient: t.coefficient, rate: t.rate - slowest }).collect();
    let derivative: Few<Term<F>> = lifted[1..]
        .iter()
        .map(|t| Term { coefficient: -t.rate * t.coefficient, rate: t.rate })
        .collect();
    let mut knots: Few<F> = smallvec![F::zero()];
    knots.extend(sign_changes(&derivative, end));
    knots.push(end);
    let mut roots = Few::new();
    for piece in knots.windows(2) {
        let (low, high) = (piece[0], piece[1]);
        let (at_low, at_high) = (sum(&lifted, low), sum(&lifted, high));
        // A root right on a knot counts for the piece below it.
        let up = at_low < F::zero() && at_high >= F::zero();
        let down = at_low > F::zero() && at_high <= F::zero();
        if up || down {
            let sign = if up { F::one() } else { -F::one() };
            roots.push(ascending_root((low, high), low, |s| {
                (sign * sum(&lifted, s), sign * sum(&derivative, s))
            }));
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    #[test]
    fn exponentials_have_all_digits() {
        for k in -4000..=4000 {
            // Both sides of where the series ends.
            let x = f64::from(k).powi(3) * 1e-11;
            assert_relative_eq!(exp(x), x.exp(), max_relative = 1.5 * f64::EPSILON);
            assert_relative_eq!(exp_m1(x), x.exp_m1(), max_relative = 1.5 * f64::EPSILON);
            let x = x as f32;
            assert_relative_eq!(exp(x), x.exp(), max_relative = 1.5 * f32::EPSILON);
            assert_relative_eq!(exp_m1(x), x.exp_m1(), max_relative = 1.5 * f32::EPSILON);
        }
        assert_eq!((exp(f64::NEG_INFINITY), exp_m1(f64::NEG_INFINITY)), (0.0, -1.0));
        assert!(exp(f64::NAN).is_nan() && exp_m1(f64::NAN).is_nan());
    }

    #[test]
    fn difference_keeps_its_digits_near_equal_rates() {
        let (a, s) = (0.05f64, 7.0);
        let limit = s * (-a * s).exp();
        let (_, equal) = decay_and_difference(a, a, s, (-a * s).exp());
        assert_relative_eq!(equal, limit, max_relative = 1e-15);
        for e in [1e-12, -1e-12] {
            // Second order in e: s exp(-a s) (1 - e s / 2 + ...).
            let (_, near) = decay_and_difference(a, a + e, s, (-a * s).exp());
            assert_relative_eq!(near, limit * (1.0 - e * s / 2.0), max_relative = 1e-15);
        }
        let (_, far) = decay_and_difference(10.0, 0.01, 1000.0, 0.0);
        assert_relative_eq!(far, (-10.0f64).exp() / 9.99, max_relative = 1e-14);
    }

    /// The root, and how often the function was asked.
    fn root(low: f64, high: f64, f: impl Fn(f64) -> (f64, f64)) -> (f64, usize) {
        let asked = std::cell::Cell::new(0);
        let root = ascending_root((low, high), low, |x| {
            asked.set(asked.get() + 1);
            assert!(x >= low && x <= high);
            f(x)
        });
        (root, asked.get())
    }

    #[test]
    fn roots_are_certain_and_take_few_steps() {
        // Newton's steps are few where they converge; where they do not, each round halves the bracket.
        let root_of = |low, high, most, right: f64, f: &dyn Fn(f64) -> (f64, f64)| {
            let (found, asked) = root(low, high, f);
            assert_relative_eq!(found, right, max_relative = 5e-16);
            assert!(asked <= most, "{asked} steps to {right}");
        };
        root_of(0.0, 10.0, 3, 3.0, &|x| (x - 3.0, 1.0));
        root_of(0.0, 10.0, 10, 5f64.ln(), &|x| (1.0 - 5.0 * (-x).exp(), 5.0 * (-x).exp()));
        root_of(0.0, 1e6, 30, 5f64.ln(), &|x| (1.0 - 5.0 * (-x).exp(), 5.0 * (-x).exp()));
        root_of(0.0, 2.0, 8, 2f64.sqrt(), &|x| (x * x - 2.0, 2.0 * x));
        let far = |x: f64| ((50.0 * (x - 0.7)).atan(), 50.0 / (1.0 + (50.0 * (x - 0.7)).powi(2)));
        root_of(0.0, 10.0, 15, 0.7, &far);
        // Flat at the root: no quadratic convergence, but an end.
        root_of(0.0, 3.0, 120, 2.0, &|x| ((x - 2.0).powi(3), 3.0 * (x - 2.0).powi(2)));
        // At the upper end, which is outside for Newton: by bisection.
        root_of(0.0, 1.0, 60, 1.0, &|x| (x - 1.0, 1.0));
        // A jump has no slope to go by.
        root_of(0.0, 1.0, 60, 0.3, &|x| (if x < 0.3 { -1.0 } else { 1.0 }, 0.0));
    }

    #[test]
    fn the_order_of_terms_and_those_that_cancel_do_not_matter() {
        let term = |coefficient: f64, rate| Term { coefficient, rate };
        let plain = [term(-1.0, 0.1), term(2.5, 0.3), term(-1.7, 0.9)];
        let roots = sign_changes(&plain, 50.0);
        assert_eq!(roots.len(), 2);
        let turned = sign_changes(&[plain[2], plain[0], plain[1]], 50.0);
        let split = [term(4.0, 0.5), plain[0], plain[2], term(-4.0, 0.5), plain[1]];
        for other in [turned, sign_changes(&split, 50.0)] {
            assert_eq!(other.len(), 2);
            for (a, b) in other.into_iter().zip(&roots) {
                assert_relative_eq!(a, *b, max_relative = 1e-14);
            }
        }
        for root in roots {
            assert!(sum(&plain, root).abs() < 1e-15);
        }
        assert!(sign_changes(&[term(1.0, 0.2), term(2.0, 0.1)], 50.0).is_empty());
        assert!(sign_changes(&[term(-1.0, 0.2), term(-2.0, 0.1)], 50.0).is_empty());
        assert!(sign_changes(&[term(1.0, 0.2), term(-1.0, 0.2)], 50.0).is_empty());
    }

    #[test]
    fn differences_do_not_depend_on_the_order() {
        for [x, y, z] in [[0.5, 2.5, 4.0], [0.5, 0.6, 4.0], [1.0, 1.2, 1.3]] {
            let first = |a: f64, b: f64| ((-a).exp() - (-b).exp()) / (b - a);
            let right = (first(x, y) - first(y, z)) / (z - x);
            for order in [[x, y, z], [z, y, x], [y, z, x], [z, x, y]] {
                assert_relative_eq!(decreasing_difference(order), right, max_relative = 1e-13);
            }
        }
    }

    #[test]
    fn the_forms_of_the_integral_meet() {
        // Simpson's rule is exact enough for comparison with all of them.
        for (a, b, q, s) in [
            (0.05, 0.2, 0.01, 1.0),
            (1e-6, 0.2, 0.0, 3.0),
            (1e-6, 0.2, 0.0, 30.0),
            (0.2, 0.2, 0.1, 2.0),
            (0.2, 0.2, 0.1, 200.0),
            (0.3, 1e-5, 0.0, 2.0),
            (0.3, 1e-5, 0.0, 20.0),
            (1e-7, 1e-7, 0.0, 10.0),
        ] {
            let value = |u: f64| (-q * u).exp() * decay_and_difference(a, b, u, (-a * u).exp()).1;
            let n = 40_000;
            let h = s / f64::from(n);
            let simpson: f64 = (0..=n)
                .map(|k| {
                    let weight = if k == 0 || k == n { 1.0 } else { f64::from(2 + 2 * (k % 2)) };
                    weight * value(f64::from(k) * h) * h / 3.0
                })
                .sum();
            let (_, end) = decay_and_difference(a, b, s, (-a * s).exp());
            let found = difference_integral(a, b, q, s, end);
            assert_relative_eq!(found, simpson, max_relative = 1e-10);
        }
    }

    #[test]
    fn differences_of_any_spread() {
        // Over z, z, z, z it is exp(-z) / 3!; over two numbers the quotient.
        assert_relative_eq!(
            decreasing_difference([0.5f64; 4]),
            (-0.5f64).exp() / 6.0,
            max_relative = 1e-15
        );
        assert_relative_eq!(
            decreasing_difference([3.0f64, 1.0]),
            ((-1f64).exp() - (-3f64).exp()) / 2.0,
            max_relative = 1e-15
        );
        // Twice z is the derivative by z, whatever the distance: against Hermite-Genocchi,
        // int over the simplex of exp(-sum t_i z_i), by Simpson's rule.
        for (x, y) in [(0.3f64, 0.300001), (0.2, 1.3), (7.0, 0.4), (0.01, 40.0), (2.0, 2.9)] {
            let n = 4000;
            let inner = |t: f64| (1.0 - t) * (-(t * x + (1.0 - t) * y)).exp();
            // Over x, y, y: the weight of y spreads over a line of length 1 - t.
            let simpson: f64 = (0..=n)
                .map(|k| {
                    let weight = if k == 0 || k == n { 1.0 } else { f64::from(2 + 2 * (k % 2)) };
                    weight * inner(f64::from(k) / f64::from(n)) / f64::from(3 * n)
                })
                .sum();
            let found = decreasing_difference([x, y, y]);
            assert_relative_eq!(found, simpson, max_relative = 1e-9);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default() })]

        /// Against dense sampling: every sign change that samples see is found, and where none is
        /// found between samples of one sign nothing larger than rounding hides.
        #[test]
        fn sign_changes_agree_with_sampling(
            terms in prop::collection::vec((-2.0..2.0f64, 0.0..1.0f64), 1..6),
        ) {
            let terms: Vec<_> =
                terms.iter().map(|&(coefficient, rate)| Term { coefficient, rate }).collect();
            let roots = sign_changes(&terms, 50.0);
            prop_assert!(roots.windows(2).all(|w| w[0] < w[1]));
            let mut sampled = Vec::new();
            let n = 20_000;
            let (mut last_t, mut last) = (0.0, sum(&terms, 0.0));
            for k in 1..=n {
                let t = 50.0 * k as f64 / n as f64;
                let value = sum(&terms, t);
                if last * value < 0.0 && last.abs() > 1e-13 && value.abs() > 1e-13 {
                    sampled.push((last_t, t));
                }
                (last_t, last) = (t, value);
            }
            for (from, to) in sampled {
                prop_assert!(roots.iter().any(|&r| r >= from && r <= to), "missed {from}..{to} in {roots:?}");
            }
            for &r in &roots {
                prop_assert!(sum(&terms, r).abs() < 1e-12);
            }
        }
    }
}
