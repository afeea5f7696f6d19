#pragma once

#include "exposition/metric_set.h"
#include "exposition/output_buffer.h"

namespace vitrine {

// Prometheus' text format, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/
void RenderText(const MetricSet& set, OutputBuffer& out);

// OpenMetrics 1.0: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
void RenderOpenMetrics(const MetricSet& set, OutputBuffer& out);

}  // namespace vitrine
