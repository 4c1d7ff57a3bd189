//! What is made outside of the crate passes the gradient checker as well.

#[path = "../examples/custom_neuron.rs"]
mod custom_neuron;

#[test]
fn a_custom_neuron_passes_the_checker() {
    let report = custom_neuron::check().unwrap();
    println!("{report}");
    assert!(report.passed(), "{report}");
    assert!(report.skipped() + report.inconclusive() == 0, "{report}");
    assert_eq!(report.checked(), 2 * (8 + 16 + 8) + 1 + 6);
}
