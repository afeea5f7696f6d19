#pragma once

#include "exposition/metric_set.h"
#include "exposition/output_buffer.h"

namespace vitrine {

// Messages io.prometheus.client.MetricFamily, each after its length, as Prometheus reads them:
// https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
// Histograms of ours have classic and native buckets.
void RenderProtobuf(const MetricSet& set, OutputBuffer& out);

}  // namespace vitrine
