//! Prepared statements: their description for C++, and how cells that C++ encoded reach the driver and rows come
//! back, both untouched.

use std::ffi::{c_char, CString};
use std::fmt::Write;

use bytes::Bytes;
use scylla::deserialize::row::ColumnIterator;
use scylla::deserialize::DeserializationError;
use scylla::errors::SerializationError;
use scylla::frame::response::result::{CollectionType, ColumnSpec, ColumnType, NativeType};
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use scylla::statement::prepared::PreparedStatement;

/// A column of the metadata, as text for the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: CString,
    pub kind: CString,
}

impl Column {
    pub fn describe(spec: &ColumnSpec) -> Self {
        Column {
            name: text(spec.name()),
            kind: text(&type_text(spec.typ())),
        }
    }
}

/// As C reads it.
#[derive(Debug)]
#[repr(C)]
pub struct CColumn {
    name: *const c_char,
    kind: *const c_char,
}

// SAFETY: points into the heap blocks of the texts beside it.
unsafe impl Send for CColumn {}

/// Columns with their form for C, which stays where it is when this moves.
#[derive(Debug)]
pub struct Columns {
    of: Vec<CColumn>,
    _texts: Vec<Column>,
}

impl Columns {
    pub fn new(texts: Vec<Column>) -> Self {
        let of = texts
            .iter()
            .map(|column| CColumn {
                name: column.name.as_ptr(),
                kind: column.kind.as_ptr(),
            })
            .collect();
        Columns { of, _texts: texts }
    }

    pub fn as_slice(&self) -> &[CColumn] {
        &self.of
    }
}

pub fn text(of: &str) -> CString {
    // CQL names hold no NUL; a server that sends one is cut there.
    CString::new(of.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

/// What C++ learns of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub parameters: Vec<Column>,
    pub columns: Vec<Column>,
    /// Indexes into `parameters`, in the order of the partition key.
    pub partition_key: Vec<u16>,
}

impl Description {
    pub fn of(prepared: &PreparedStatement) -> Self {
        let mut key = prepared.get_variable_pk_indexes().to_vec();
        key.sort_by_key(|part| part.sequence);
        Description {
            parameters: prepared
                .get_variable_col_specs()
                .iter()
                .map(Column::describe)
                .collect(),
            columns: prepared
                .get_current_result_set_col_specs()
                .get()
                .iter()
                .map(Column::describe)
                .collect(),
            partition_key: key.iter().map(|part| part.index).collect(),
        }
    }
}

/// Whether cells of `after` can be read as those of `before`: types are the same, except that a user-defined type may
/// have more fields at its end.
fn same_cells(before: &[Column], after: &[Column]) -> Result<(), String> {
    if before.len() != after.len() {
        return Err(format!("{} columns became {}", before.len(), after.len()));
    }
    for (old, new) in before.iter().zip(after) {
        let (was, is) = (old.kind.to_string_lossy(), new.kind.to_string_lossy());
        let grown = was.starts_with("udt<") && is.starts_with(&was[..was.len() - 1]);
        if old.name != new.name || (was != is && !grown) {
            return Err(format!(
                "'{}' was {was} and '{}' is {is}",
                old.name.to_string_lossy(),
                new.name.to_string_lossy()
            ));
        }
    }
    Ok(())
}

impl Description {
    /// Why cells that were made or are read by this description no longer fit `now`.
    pub fn outdated_by(&self, now: &Description) -> Result<(), String> {
        same_cells(&self.parameters, &now.parameters)?;
        same_cells(&self.columns, &now.columns)
    }
}

fn native_text(native: &NativeType) -> &'static str {
    match native {
        NativeType::Ascii => "ascii",
        NativeType::Boolean => "boolean",
        NativeType::Blob => "blob",
        NativeType::Counter => "counter",
        NativeType::Date => "date",
        NativeType::Decimal => "decimal",
        NativeType::Double => "double",
        NativeType::Duration => "duration",
        NativeType::Float => "float",
        NativeType::Int => "int",
        NativeType::BigInt => "bigint",
        NativeType::Text => "text",
        NativeType::Timestamp => "timestamp",
        NativeType::Inet => "inet",
        NativeType::SmallInt => "smallint",
        NativeType::TinyInt => "tinyint",
        NativeType::Time => "time",
        NativeType::Timeuuid => "timeuuid",
        NativeType::Uuid => "uuid",
        NativeType::Varint => "varint",
        // The driver's enum is open: no C++ type matches this name.
        _ => "unknown",
    }
}

/// As CQL writes the type, without frozen<>.
pub fn type_text(kind: &ColumnType) -> String {
    match kind {
        ColumnType::Native(native) => native_text(native).to_owned(),
        ColumnType::Collection { typ, .. } => match typ {
            CollectionType::List(element) => format!("list<{}>", type_text(element)),
            CollectionType::Set(element) => format!("set<{}>", type_text(element)),
            CollectionType::Map(key, value) => {
                format!("map<{}, {}>", type_text(key), type_text(value))
            }
            _ => "unknown".to_owned(),
        },
        ColumnType::Vector { typ, dimensions } => {
            format!("vector<{}, {dimensions}>", type_text(typ))
        }
        ColumnType::Tuple(parts) => {
            let parts: Vec<String> = parts.iter().map(type_text).collect();
            format!("tuple<{}>", parts.join(", "))
        }
        ColumnType::UserDefinedType { definition, .. } => {
            let mut all = format!("udt<{}.{}", definition.keyspace, definition.name);
            for (name, field) in &definition.field_types {
                let _ = write!(all, ", {name} {}", type_text(field));
            }
            all.push('>');
            all
        }
        _ => "unknown".to_owned(),
    }
}

#[derive(Debug)]
struct BadCells(&'static str);

impl std::fmt::Display for BadCells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadCells {}

/// Cells in wire form, exactly one per bind marker.
pub struct Cells<'a>(pub &'a [u8]);

impl SerializeRow for Cells<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        let bad = |why| Err(SerializationError::new(BadCells(why)));
        let mut rest = self.0;
        for _ in context.columns() {
            let Some((length, after)) = rest.split_first_chunk::<4>() else {
                return bad("fewer cells than the statement has parameters");
            };
            rest = after;
            match i32::from_be_bytes(*length) {
                -1 => drop(writer.make_cell_writer().set_null()),
                -2 => drop(writer.make_cell_writer().set_unset()),
                length => {
                    let Some((value, after)) = usize::try_from(length)
                        .ok()
                        .and_then(|length| rest.split_at_checked(length))
                    else {
                        return bad("a cell is longer than the buffer");
                    };
                    rest = after;
                    if writer.make_cell_writer().set_value(value).is_err() {
                        return bad("a cell is too long");
                    }
                }
            }
        }
        if rest.is_empty() {
            Ok(())
        } else {
            bad("more cells than the statement has parameters")
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// All cells of all rows, one after the other, sharing the response's memory. Only the cells before the first one
/// that is not null have been checked.
pub fn rows_area(rows: &QueryRowsResult) -> Result<Bytes, DeserializationError> {
    let Ok(all) = rows.rows::<ColumnIterator>() else {
        return Ok(Bytes::new()); // a ColumnIterator fits any type
    };
    for row in all {
        for column in row? {
            // A cell remembers the area it is a part of.
            if let Some(cell) = column?.slice {
                return Ok(cell.as_original_frame_bytes().clone());
            }
        }
    }
    Ok(Bytes::from(vec![
        0xff;
        4 * rows.rows_num()
            * rows.column_specs().len()
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scylla::frame::response::result::TableSpec;

    fn specs(count: usize) -> Vec<ColumnSpec<'static>> {
        let table = TableSpec::borrowed("ks", "t");
        (0..count)
            .map(|k| {
                ColumnSpec::owned(
                    format!("c{k}"),
                    ColumnType::Native(NativeType::Int),
                    table.clone(),
                )
            })
            .collect()
    }

    fn serialized(cells: &[u8], count: usize) -> Result<Vec<u8>, String> {
        let specs = specs(count);
        let mut out = Vec::new();
        Cells(cells)
            .serialize(
                &RowSerializationContext::from_specs(&specs),
                &mut RowWriter::new(&mut out),
            )
            .map(|()| out)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn cells_pass_through_unchanged() {
        let cells = [
            0, 0, 0, 2, 7, 8, // a value
            255, 255, 255, 255, // null
            255, 255, 255, 254, // unset
            0, 0, 0, 0, // empty
        ];
        assert_eq!(serialized(&cells, 4).unwrap(), cells);
        assert!(serialized(&[], 0).unwrap().is_empty());
    }

    #[test]
    fn cells_that_do_not_fit_the_statement_are_refused() {
        for (cells, count) in [
            (&[][..], 1),
            (&[0, 0, 0, 1, 9][..], 2),
            (&[0, 0, 0, 1, 9][..], 0),
            (&[0, 0, 0, 5, 9][..], 1),
            (&[0, 0, 0][..], 1),
            (&[255, 255, 255, 253][..], 1),
        ] {
            assert!(serialized(cells, count).is_err(), "{cells:?}");
        }
    }

    #[test]
    fn a_description_is_outdated_by_other_types_and_not_by_appended_fields() {
        let column = |name: &str, kind: &str| Column {
            name: text(name),
            kind: text(kind),
        };
        let of = |columns: Vec<Column>| Description {
            parameters: vec![column("id", "text")],
            columns,
            partition_key: vec![0],
        };
        let before = of(vec![column("a", "int"), column("b", "udt<ks.u, x int>")]);
        assert!(before.outdated_by(&before).is_ok());
        let grown = of(vec![
            column("a", "int"),
            column("b", "udt<ks.u, x int, y text>"),
        ]);
        assert!(before.outdated_by(&grown).is_ok());
        for other in [
            of(vec![column("a", "int")]),
            of(vec![column("a", "bigint"), column("b", "udt<ks.u, x int>")]),
            of(vec![column("c", "int"), column("b", "udt<ks.u, x int>")]),
            of(vec![column("a", "int"), column("b", "udt<ks.u, x text>")]),
        ] {
            assert!(before.outdated_by(&other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn types_are_written_as_cql_writes_them() {
        let int = || ColumnType::Native(NativeType::Int);
        let list = |element| ColumnType::Collection {
            frozen: true,
            typ: CollectionType::List(Box::new(element)),
        };
        let map = ColumnType::Collection {
            frozen: false,
            typ: CollectionType::Map(
                Box::new(ColumnType::Native(NativeType::Text)),
                Box::new(list(int())),
            ),
        };
        assert_eq!(type_text(&map), "map<text, list<int>>");
        assert_eq!(
            type_text(&ColumnType::Tuple(vec![int(), list(int())])),
            "tuple<int, list<int>>"
        );
        let vector = ColumnType::Vector {
            typ: Box::new(int()),
            dimensions: 3,
        };
        assert_eq!(type_text(&vector), "vector<int, 3>");
    }
}
