//! The Rust rows of the benchmark; the protocol is in bench/avro/README.md.
//! usage: avro-peers DATA_FOLDER SCHEMA_FILE

mod checksum;
mod navigation;

use std::hint::black_box;
use std::io::{BufRead, Write};

use checksum::Sum;
use navigation::Navigation;
use serde_bytes::{ByteBuf, Bytes};

const FRAME: usize = 5;

struct Data {
    raw: Vec<u8>,
    spans: Vec<(usize, usize)>,
}

impl Data {
    fn load(file: &str) -> Self {
        let raw = std::fs::read(file).expect("the data file can be read");
        let mut spans = Vec::new();
        let mut at = 0;
        while at < raw.len() {
            let size = u32::from_le_bytes(raw[at..at + 4].try_into().unwrap()) as usize;
            spans.push((at + 4 + FRAME, at + 4 + size));
            at += 4 + size;
        }
        Data { raw, spans }
    }
    fn datums(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|(from, to)| &self.raw[*from..*to])
    }
}

type Borrowed<'a> = Navigation<&'a str, &'a Bytes>;
type Owned = Navigation<String, ByteBuf>;

struct Rows {
    data: Data,
    fast: serde_avro_fast::Schema,
    apache: apache_avro::Schema,
}

const NAMES: [&str; 4] = [
    "serde_avro_fast borrowed",
    "serde_avro_fast owned",
    "apache-avro Value",
    "apache-avro from_avro_datum + from_value",
];

impl Rows {
    /// Every record once; with `sum`, the checksum too.
    fn pass(&self, row: &str, sum: &mut Option<Sum>) {
        for datum in self.data.datums() {
            match row {
                "serde_avro_fast borrowed" => {
                    let nav: Borrowed = serde_avro_fast::from_datum_slice(datum, &self.fast).unwrap();
                    if let Some(sum) = sum {
                        sum.navigation(&nav);
                    }
                    black_box(&nav);
                }
                "serde_avro_fast owned" => {
                    let nav: Owned = serde_avro_fast::from_datum_slice(datum, &self.fast).unwrap();
                    if let Some(sum) = sum {
                        sum.navigation(&nav);
                    }
                    black_box(&nav);
                }
                _ => self.apache(row, datum, sum),
            }
        }
    }

    #[allow(deprecated)] // the original system's path; what it calls is the same code
    fn apache(&self, row: &str, mut datum: &[u8], sum: &mut Option<Sum>) {
        let value = apache_avro::from_avro_datum(&self.apache, &mut datum, None).unwrap();
        if row == "apache-avro Value" {
            if let Some(sum) = sum {
                sum.value("", &value);
            }
            black_box(&value);
            return;
        }
        let nav: Owned = apache_avro::from_value(&value).unwrap();
        if let Some(sum) = sum {
            sum.navigation(&nav);
        }
        black_box(&nav);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(&arguments[2]).expect("the schema can be read");
    // A decimal would be turned into text or a number; as plain bytes it is borrowed.
    let plain = text.replace(r#""logicalType": "decimal", "precision": 12, "scale": 2"#, r#""x": 0"#);
    assert_ne!(plain, text);
    let rows = Rows {
        data: Data::load(&format!("{}/navigation.bin", arguments[1])),
        fast: plain.parse().expect("serde_avro_fast takes the schema"),
        apache: apache_avro::Schema::parse_str(&text).expect("apache-avro takes the schema"),
    };
    println!("{}", NAMES.join("\t"));
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (what, row) = line.split_once('\t').expect("WHAT<tab>ROW");
        let mut sum = (what == "sum").then(Sum::default);
        rows.pass(row, &mut sum);
        match sum {
            Some(sum) => println!("{:016x}", sum.0),
            None => println!("done"),
        }
        std::io::stdout().flush().unwrap();
    }
}
