//! The components and containers of the converted spec.

use serde_json::{Map, Value, json};

/// The result of one document.
#[derive(Debug)]
pub(super) enum Part {
    /// A component with its images, or its chart.
    Component(Component),
    /// Why the document was left out.
    LeftOut(String),
}

/// A component of the spec.
#[derive(Debug)]
pub(super) struct Component {
    /// Path in the build file.
    pub(super) path: String,
    pub(super) name: String,
    /// Whether the build file has it as a job.
    pub(super) is_job: bool,
    /// Comments for the spec.
    pub(super) comments: Vec<String>,
    pub(super) containers: Vec<Container>,
    /// The source of its chart.
    pub(super) source: Option<Value>,
    /// Directory of its chart.
    pub(super) chart: Option<String>,
    /// Names of the variables that it needs at run time. They become a file of its package.
    pub(super) env: Vec<String>,
}

impl Component {
    /// The fields before its containers, in the order of the spec.
    pub(super) fn head(&self) -> Value {
        let mut head = json!({"name": self.name});
        if let Some(source) = &self.source {
            head["source"] = source.clone();
        }
        if let Some(chart) = &self.chart {
            head["chart"] = json!(chart);
        }
        head
    }

    /// The files of its package: the list of variable names.
    pub(super) fn files(&self) -> Option<Value> {
        // JSON is valid YAML.
        let content = serde_saphyr::to_string(&self.env);
        let content = content.unwrap_or_else(|_| json!(self.env).to_string());
        (!self.env.is_empty())
            .then(|| json!([{"name": "env.yaml", "content": content, "template": false}]))
    }
}

/// A container of the spec.
#[derive(Debug, Default)]
pub(super) struct Container {
    /// Path in the build file.
    pub(super) path: String,
    /// Comments for the spec.
    pub(super) comments: Vec<String>,
    /// `source`, `registry` and `pushSecret`, which may move to the defaults.
    pub(super) shared: Map<String, Value>,
    /// The other fields, in the order of the spec.
    pub(super) own: Map<String, Value>,
}

impl Container {
    /// All fields, in the order of the spec.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let (first, last): (Vec<_>, Vec<_>) = self
            .own
            .iter()
            .partition(|(name, _)| ["name", "init", "image"].contains(&name.as_str()));
        let all = first.into_iter().chain(&self.shared).chain(last);
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}
