use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// A file with this header and these bytes of data.
fn file(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x93];
    bytes.extend(b"NUMPY");
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn versions_orders_and_types() {
    let data = floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    for version in [1, 2] {
        let c = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
        let array = parse(&file(version, c, &data)).unwrap();
        assert_eq!(array.shape(), [2, 3]);
        assert_eq!(array[[0, 2]], 2.0);
        let f = "{\"fortran_order\":True,\"shape\":(2,3),\"descr\":\"<f4\"}";
        let array = parse(&file(version, f, &data)).unwrap();
        assert_eq!(array[[0, 2]], 4.0);
    }
    let one = |descr: &str, data: &[u8]| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ()}}");
        parse(&file(1, &header, data)).map(|array| array[[]])
    };
    assert_eq!(one(">f8", &2.5_f64.to_be_bytes()), Ok(2.5));
    assert_eq!(one(">f4", &2.5_f32.to_be_bytes()), Ok(2.5));
    assert_eq!(one("<u4", &[1, 2, 0, 0]), Ok(513.0));
    assert_eq!(one(">u4", &[0, 0, 2, 1]), Ok(513.0));
    assert_eq!(one(">i2", &(-3_i16).to_be_bytes()), Ok(-3.0));
    assert_eq!(one("<i8", &(-3_i64).to_le_bytes()), Ok(-3.0));
    assert_eq!(one("|O", &[]), Err(NpyProblem::Type("|O".into())));
    assert_eq!(one("<f2", &[0, 0]), Err(NpyProblem::Type("<f2".into())));
}

#[test]
fn arrays_come_back() {
    let path = std::env::temp_dir().join(format!("eventprop-npy-{}.npy", std::process::id()));
    for shape in [vec![], vec![3], vec![0, 4], vec![2, 3, 2]] {
        let count = shape.iter().product();
        let values = (0..count).map(|k: usize| 0.1 + k as f64).collect();
        let array = ArrayD::from_shape_vec(shape, values).unwrap();
        write(&path, &array, Precision::Double).unwrap();
        assert_eq!(read(&path), Ok(array.clone()));
        // The data are where NumPy wants them.
        assert_eq!((std::fs::metadata(&path).unwrap().len() - 8 * array.len() as u64) % 64, 0);
        write(&path, &array, Precision::Single).unwrap();
        assert_eq!(read(&path), Ok(array.mapv(|x| f64::from(x as f32))));
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(read(&path).unwrap_err().problem, NpyProblem::Io(_)));
}

#[test]
fn hostile_files_are_refused() {
    let header = |descr: &str, order: &str, shape: &str| {
        format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")
    };
    let good = header("'<f4'", "False", "(2,)");
    let data = floats(&[1.0, 2.0]);
    assert!(parse(&file(1, &good, &data)).is_ok());
    let whole = file(1, &good, &data);
    for end in 0..whole.len() {
        let error = parse(&whole[..end]).unwrap_err();
        assert!(matches!(error, NpyProblem::Magic | NpyProblem::Truncated { .. }), "{error}");
    }
    assert_eq!(parse(&file(1, &good, &floats(&[1.0; 3]))), Err(NpyProblem::Trailing(4)));
    assert_eq!(parse(&file(3, &good, &data)), Err(NpyProblem::Version(3, 0)));
    for (descr, order, shape, problem) in [
        ("[('a', '<f4')]", "False", "(2,)", "descr"),
        ("'<f4", "False", "(2,)", "descr"),
        ("'<f4'", "Perhaps", "(2,)", "fortran_order"),
        ("'<f4'", "False", "2", "shape"),
        ("'<f4'", "False", "(-2,)", "shape"),
        ("'<f4'", "False", "(2", "shape"),
    ] {
        let found = parse(&file(1, &header(descr, order, shape), &data)).unwrap_err();
        // Without its closing quote a type goes on to that of the next word.
        let type_ = matches!(found, NpyProblem::Type(_)) && descr == "'<f4";
        assert!(found == NpyProblem::Header(problem) || type_, "{descr} {shape}: {found}");
    }
    // Sizes that no file has, and whose product is no number.
    for shape in
        ["(4000000000, 4000000000)", "(9223372036854775807, 4)", "(0, 9223372036854775807, 9)"]
    {
        assert!(parse(&file(1, &header("'<f4'", "False", shape), &data)).is_err(), "{shape}");
    }
    let axes = format!("({})", "1,".repeat(65));
    assert_eq!(
        parse(&file(1, &header("'<f4'", "False", &axes), &data)),
        Err(NpyProblem::Header("shape"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default()
    })]

    /// Any bytes are an array or an error, in memory of a small multiple of their number.
    #[test]
    fn any_bytes_are_an_array_or_an_error(
        changes in prop::collection::vec((0..90_usize, any::<u8>()), 1..8),
    ) {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
        let mut bytes = file(1, header, &floats(&[1.0; 6]));
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let memory = allocation_counter::measure(|| drop(parse(&bytes)));
        prop_assert!(memory.bytes_max < 64 * bytes.len() as u64, "{}", memory.bytes_max);
    }
}
