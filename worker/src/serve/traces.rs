//! Traces of builds by OTLP over HTTP: one trace per build, across its workflows and steps.
//!
//! The plugin of the SDK creates the spans. It propagates the trace in the same header as the SDKs of
//! other languages, so a build that is a child of another workflow continues the trace of that
//! workflow. The span ids of a workflow come from its deterministic random numbers, so that a replay
//! creates the same ids.

use std::{env, time::Duration};

use opentelemetry::{Context, global};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanProcessor},
};
use temporalio_sdk::{
    SimplePlugin,
    opentelemetry::{OpenTelemetryPlugin, WorkflowIdGenerator},
};
use url::Url;

use crate::output::Error;

/// The OTLP variables for the endpoint, in order of precedence.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// The OTLP variables for the protocol, in order of precedence.
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// The exporter of traces. `end` sends the rest.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts traces, if the environment has an endpoint.
    pub(crate) fn start() -> Result<Option<Self>, Error> {
        let given = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let Some(endpoint) = checked(given)? else { return Ok(None) };
        let exporter = SpanExporter::builder().with_http().build().map_err(|error| {
            Error::input(format!("cannot send traces to `{endpoint}`: {error}"))
                .hint("check the OTEL_EXPORTER_OTLP_* variables")
        })?;
        let provider = SdkTracerProvider::builder()
            .with_id_generator(WorkflowIdGenerator::default())
            .with_resource(resource(given))
            .with_span_processor(WithoutQueries(BatchSpanProcessor::builder(exporter).build()))
            .build();
        global::set_tracer_provider(provider.clone());
        Ok(Some(Self { provider }))
    }

    /// The plugin for a worker.
    pub(crate) fn plugin() -> SimplePlugin {
        OpenTelemetryPlugin::builder().build()
    }

    /// Sends the remaining traces. Waits for an unavailable collector up to the timeout of OTLP.
    pub(crate) async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "cannot send the last traces");
        }
    }
}

/// The endpoint, if traces are on. An error names the invalid variable.
fn checked(given: impl Fn(&str) -> Option<String>) -> Result<Option<String>, Error> {
    let is_off = given("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"))
        || given("OTEL_TRACES_EXPORTER").is_some_and(|it| it == "none");
    let set = ENDPOINTS.into_iter().find_map(|name| Some((name, given(name)?)));
    let Some((name, endpoint)) = set.filter(|_| !is_off) else { return Ok(None) };
    let is_address = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if !Url::parse(&endpoint).is_ok_and(is_address) {
        let what = format!("{name}: `{endpoint}`; accepted is an address such as");
        return Err(Error::input(format!("{what} `http://collector:4318`")));
    }
    let protocol = PROTOCOLS.into_iter().find_map(|name| Some((name, given(name)?)));
    if let Some((name, protocol)) = protocol.filter(|(_, it)| it != "http/protobuf") {
        let what = format!("{name}: `{protocol}`; accepted is `http/protobuf`");
        return Err(Error::input(what).hint("collectors accept it on port 4318"));
    }
    Ok(Some(endpoint))
}

/// The resource of the traces. The default service name is `kiln-worker`.
fn resource(given: impl Fn(&str) -> Option<String>) -> Resource {
    let attributes = given("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let named = given("OTEL_SERVICE_NAME").is_some() || attributes.contains("service.name=");
    match named {
        true => Resource::builder().build(),
        false => Resource::builder().with_service_name("kiln-worker").build(),
    }
}

/// Drops the spans of queries. `kiln build` queries its build every second, which would fill the trace.
#[derive(Debug)]
struct WithoutQueries<P>(P);

impl<P: SpanProcessor> SpanProcessor for WithoutQueries<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.name.starts_with("HandleQuery:") {
            self.0.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::checked;

    fn look(given: &[(&str, &str)]) -> Result<Option<String>, String> {
        let find = |name: &str| {
            given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        checked(find).map_err(|error| error.to_string())
    }

    #[test]
    fn the_standard_variables_set_the_endpoint() {
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/v1/traces");
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318");
        for (given, goes_to) in [
            (&[][..], None),
            (&[all][..], Some(all.1)),
            (&[all, own][..], Some(own.1)),
            (&[all, ("OTEL_SDK_DISABLED", "TRUE")][..], None),
            (&[all, ("OTEL_TRACES_EXPORTER", "none")][..], None),
            (&[all, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")][..], Some(all.1)),
        ] {
            assert_eq!(look(given), Ok(goes_to.map(str::to_owned)), "{given:?}");
        }
    }

    #[test]
    fn an_error_names_the_variable_and_the_accepted_values() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318");
        let message = look(&[all]).expect_err("it is wrong");
        assert!(message.contains("OTEL_EXPORTER_OTLP_ENDPOINT: `collector:4318`"), "{message}");
        assert!(message.contains("accepted is an address such as"), "{message}");
        let all = (all.0, "http://collector:4317");
        let message = look(&[all, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).expect_err("wrong");
        assert!(message.contains("OTEL_EXPORTER_OTLP_PROTOCOL: `grpc`"), "{message}");
        assert!(message.contains("accepted is `http/protobuf`"), "{message}");
    }
}
