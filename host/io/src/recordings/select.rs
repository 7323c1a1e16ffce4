//! Which columns and rows of a file are taken.

use std::str::FromStr;

/// Which columns and rows of a file are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The columns of numbers, by name or, from 1, by number. Empty: all that have no other use.
    pub columns: Vec<String>,
    /// The column that names a row's recording.
    pub group: Option<String>,
    /// The column that labels a row.
    pub label: Option<String>,
    /// Rows are taken if all of these hold.
    pub conditions: Vec<Where>,
    /// Rows are left out if there are such conditions and all of them hold.
    pub exclude: Vec<Where>,
    /// The channels that a network knows. Without [`Self::columns`], these are the columns of files that have names; of other
    /// files, all are.
    pub expected: Vec<String>,
}

impl Selection {
    /// Whether columns are needed that may hold text, which only CSV files have.
    pub(super) fn needs_columns_of_text(&self) -> bool {
        let conditions = self.conditions.len() + self.exclude.len();
        self.group.is_some() || self.label.is_some() || conditions > 0
    }

    /// The conditions in words: `who=a,c and run=1`.
    pub(super) fn in_words(conditions: &[Where]) -> String {
        let words = conditions.iter().map(|one| format!("{}={}", one.column, one.values.join(",")));
        words.collect::<Vec<_>>().join(" and ")
    }
}

/// A condition: a column has one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Where {
    /// The column, by name or number.
    pub column: String,
    /// Its values.
    pub values: Vec<String>,
}

impl FromStr for Where {
    type Err = &'static str;

    /// `COLUMN=VALUE[,VALUE]`
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (column, values) = text.split_once('=').ok_or("expected COLUMN=VALUE[,VALUE]")?;
        if column.is_empty() {
            return Err("expected COLUMN=VALUE[,VALUE]");
        }
        Ok(Self { column: column.to_owned(), values: values.split(',').map(str::to_owned).collect() })
    }
}
