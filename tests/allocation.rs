//! A stream that is warm does not ask for memory.

use allocation_counter::measure;
use eventprop::{Dense, LeakyIntegrator, Lif, NetworkBuilder, Simulator};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

#[test]
fn a_warm_simulator_does_not_allocate() {
    let mut net = NetworkBuilder::<f64>::new();
    let input = net.input("input", 10);
    let hidden = net.layer("hidden", Lif::new(30).tau_mem(10.0).tau_syn(5.0));
    let output = net.layer("output", LeakyIntegrator::new(3));
    let weights = || Normal::new(0.4, 0.3).unwrap();
    let delays = || Uniform::new(0.0, 20.0).unwrap();
    net.connect(input, hidden, Dense::weights(weights()).delays(delays()));
    net.connect(hidden, hidden, Dense::weights(Normal::new(-0.1, 0.2).unwrap()).delays(delays()));
    net.connect(hidden, output, Dense::weights(weights()));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(2)).unwrap();
    let mut simulator = Simulator::new(&net).unwrap();
    // The same stream twice, the second time after a reset.
    let mut run = || {
        let mut spikes = 0;
        for k in 0..20_000u32 {
            let time = 0.5 * f64::from(k);
            while simulator.next_spike(time).unwrap().is_some() {
                spikes += 1;
            }
            simulator.receive(time, k as usize * 7 % 10).unwrap();
            assert!(simulator.potential(1, 0).is_finite());
        }
        simulator.reset();
        spikes
    };
    let mut spikes = 0;
    assert!(measure(|| spikes = run()).count_total > 0);
    let mut again = 0;
    assert_eq!(measure(|| again = run()).count_total, 0);
    assert!(spikes > 10_000 && again == spikes, "{spikes} spikes");
}
