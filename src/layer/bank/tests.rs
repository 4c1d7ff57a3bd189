//! Closed forms of single neurons.

use super::*;
use approx::assert_relative_eq;

fn bank(tau_mem: f64, tau_syn: f64) -> ModeBank {
    ModeBank::new(tau_mem, vec![tau_syn], Some(1.0), 0.0)
}

#[test]
fn equal_constants_cross_at_the_closed_form() {
    // V = I t/tau exp(-t/tau) reaches I/(2e) ... choose I so that t = tau/2 is the crossing.
    let tau = 8.0;
    let current = 2.0 * 0.5f64.exp();
    let spike = bank(tau, tau).next_spike(&[0.0, current], 100.0).unwrap();
    assert_relative_eq!(spike, tau / 2.0, max_relative = 1e-14);
}

#[test]
fn ratio_two_crosses_at_the_closed_form() {
    // tau_mem = 2 tau_syn: with x = exp(-t/tau_mem), V = I (x - x^2), a quadratic.
    let current = 5.0;
    let x = (1.0 + (1.0f64 - 4.0 / current).sqrt()) / 2.0;
    let spike = bank(20.0, 10.0).next_spike(&[0.0, current], 100.0).unwrap();
    assert_relative_eq!(spike, -20.0 * x.ln(), max_relative = 1e-14);
}

#[test]
fn a_touch_is_no_spike() {
    // The maximum of V is I tau/(e tau) = 1 for I = e, at t = tau.
    let bank = bank(8.0, 8.0);
    let e = std::f64::consts::E;
    assert_eq!(bank.next_spike(&[0.0, e * (1.0 - 1e-14)], 100.0), None);
    let just = bank.next_spike(&[0.0, e * (1.0 + 1e-9)], 100.0).unwrap();
    assert!(just < 8.0 && just > 7.9);
    // Exactly at the threshold with a falling potential: no spike either.
    assert_eq!(bank.next_spike(&[1.0, 0.5], 100.0), None);
    assert_eq!(bank.next_spike(&[1.0, 1.5], 100.0), Some(0.0));
}

#[test]
fn a_high_threshold_is_barely_reached() {
    // As before, twice as high: the interval in which V ascends goes by the threshold.
    let bank = ModeBank::new(8.0, vec![8.0], Some(2.0), 0.0);
    let e = std::f64::consts::E;
    assert_eq!(bank.next_spike(&[0.0, 2.0 * e * (1.0 - 1e-14)], 100.0), None);
    let just = bank.next_spike(&[0.0, 2.0 * e * (1.0 + 1e-9)], 100.0).unwrap();
    assert!(just < 8.0 && just > 7.9);
}

#[test]
fn a_quick_membrane_fires_at_once() {
    let bank = bank(0.1, 5.0);
    let spike = bank.next_spike(&[0.0, 2.0], 1.0).unwrap();
    let mut at = [0.0, 2.0];
    bank.flow(spike, &mut at);
    assert_relative_eq!(at[0], 1.0, max_relative = 1e-14);
    assert!(spike < 0.1);
}

#[test]
fn a_bias_alone_fires_long_after_the_currents() {
    let bank = ModeBank { bias: 2.0, ..bank(20.0, 0.01) };
    let spike = bank.next_spike(&[0.0, 0.0], 1e3).unwrap();
    assert_relative_eq!(spike, 20.0 * 2f64.ln(), max_relative = 1e-14);
}

#[test]
fn a_threshold_that_falls_is_crossed_without_a_current() {
    // V = 1.5 exp(-t/20) falls, and the threshold 1 + exp(-t/2) falls faster.
    let bank = ModeBank { raise: Some(Raise { jump: 1.0, tau: 2.0 }), ..bank(20.0, 5.0) };
    let excess = |t: f64| 1.5 * (-t / 20.0).exp() - (-t / 2.0).exp() - 1.0;
    let spike = bank.next_spike(&[1.5, 0.0, 1.0], 50.0).unwrap();
    assert!(excess(spike).abs() < 1e-14 && excess(spike - 0.01) < 0.0);
    // Only while it does.
    assert_eq!(bank.next_spike(&[1.5, 0.0, 1.0], spike - 0.01), None);
    assert_eq!(bank.next_spike(&[1.05, 0.0, 1.0], 50.0), None);
}

#[test]
fn the_potential_is_stationary_where_it_turns_back() {
    let bank = ModeBank::new(10.0, vec![2.0, 30.0], None, 0.0);
    for state in
        [[0.0, -6.0, 4.0], [0.5, 9.0, -1.0], [-1.0, -2.0, 0.5], [2.0, 1.0, 1.0], [1.0, 0.5, 0.1]]
    {
        let mut points = Vec::new();
        bank.stationary_points(&state, 100.0, &mut points);
        let slope = |t: f64| bank.peek(&state, t).1;
        let turns = (0..100_000).map(|k| f64::from(k) * 1e-3);
        let turns: Vec<f64> = turns.filter(|&t| slope(t) * slope(t + 1e-3) < 0.0).collect();
        assert_eq!(points.len(), turns.len());
        for (point, turn) in points.iter().zip(turns) {
            assert!((turn..=turn + 1e-3).contains(point) && slope(*point).abs() < 1e-15);
        }
    }
    // Held for 3 ms, it turns so much later: the currents have decayed by then.
    let held = ModeBank { refractory: Some(3.0), ..bank.clone() };
    let (mut points, mut free) = (Vec::new(), Vec::new());
    held.stationary_points(&[0.0, -6.0, 4.0, 3.0], 100.0, &mut points);
    let later = [0.0, -6.0 * (-3f64 / 2.0).exp(), 4.0 * (-3f64 / 30.0).exp()];
    bank.stationary_points(&later, 97.0, &mut free);
    assert!(!free.is_empty() && points.len() == free.len());
    for (point, free) in points.iter().zip(free) {
        assert_relative_eq!(*point, free + 3.0, max_relative = 1e-14);
    }
}

#[test]
fn several_receptors_may_cross_late() {
    // A fast inhibitory and a slow excitatory current: below threshold at first, above later.
    let bank = ModeBank::new(10.0, vec![2.0, 30.0], Some(1.0), 0.0);
    let state = [0.0, -6.0, 4.0];
    let spike = bank.next_spike(&state, 100.0).unwrap();
    let mut at = state;
    bank.flow(spike, &mut at);
    assert_relative_eq!(at[0], 1.0, max_relative = 1e-14);
    let first = (1..100_000).map(|k| k as f64 * 1e-3).find(|&s| bank.peek(&state, s).0 > 1.0);
    assert!((first.unwrap() - spike).abs() <= 1e-3);
}

#[test]
fn the_drive_may_rise_above_the_threshold_and_fall_again() {
    // With x = exp(-t/4) the drive is 8 x - 12 x^2, above 1 for x from 1/2 to 1/6.
    let bank = ModeBank::new(0.5, vec![2.0, 4.0], Some(1.0), 0.0);
    let state = [0.0, -12.0, 8.0];
    let spike = bank.next_spike(&state, 100.0).unwrap();
    assert!(spike > 4.0 * 2f64.ln() && spike < 4.0 * 6f64.ln());
    assert_relative_eq!(bank.peek(&state, spike).0, 1.0, max_relative = 1e-14);
}

#[test]
fn a_crossing_does_not_depend_on_the_horizon() {
    let two = ModeBank::new(10.0, vec![2.0, 30.0], Some(1.0), 0.0);
    for (bank, state) in [(bank(20.0, 5.0), vec![-0.5, 9.0]), (two, vec![0.3, -6.0, 4.0])] {
        let spike = bank.next_spike(&state, 1e3).unwrap();
        for k in 1..1000 {
            let horizon = spike * (1.0 + 1e-12 + 1e-3 * f64::from(k));
            assert_eq!(bank.next_spike(&state, horizon), Some(spike));
            assert_eq!(bank.next_spike(&state, spike * (1.0 - 1e-3 * f64::from(k))), None);
        }
    }
}

#[test]
fn long_silences_do_not_overflow() {
    for (tau_mem, tau_syn) in [(1.0, 1000.0), (1000.0, 1.0), (1.0, 1.0)] {
        let mut state = [0.3, 0.7];
        bank(tau_mem, tau_syn).flow(1e7, &mut state);
        assert!(state.iter().all(|x| x.abs() < 1e-300));
    }
}

#[test]
fn the_integral_is_that_of_the_flow() {
    let bank = ModeBank::new(10.0, vec![2.0, 10.0], None, 0.0);
    let state = [0.4, -1.5, 2.5];
    let (dt, rate, n) = (12.0, 0.03, 200_000);
    let h = dt / n as f64;
    let sampled: f64 = (0..n)
        .map(|k| {
            let s = (k as f64 + 0.5) * h;
            bank.peek(&state, s).0 * (-rate * s).exp() * h
        })
        .sum();
    assert_relative_eq!(bank.integral(&state, dt, rate), sampled, max_relative = 1e-9);
}
