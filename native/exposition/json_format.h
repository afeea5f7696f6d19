#pragma once

#include <string_view>

#include "exposition/metric_set.h"
#include "exposition/output_buffer.h"

namespace vitrine {

// { "metrics": [{ "name", "type", "help", "unit", "labels", "value" or "histogram" or "summary",
// "timestamp" }] }, an element for each sample. Times are in ms since 1970, and what is no number
// is null, except that the last `le` is "+Inf".
void RenderJson(const MetricSet& set, OutputBuffer& out);

// An ExportMetricsServiceRequest of OpenTelemetry, as JSON:
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
// Histograms of ours are exponential ones; names have dots, and neither unit nor `_total`.
//   version  of the scope
void RenderOtlp(const MetricSet& set, std::string_view version, OutputBuffer& out);

}  // namespace vitrine
