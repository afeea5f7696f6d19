// The entry point `vitrine/tracing`.

export type {
  Operation,
  OperationEvent,
  OperationPhase,
  PhaseName,
  TracePoint,
} from '../channels.ts'
export type { Sources } from '../metrics/sources.ts'
export {
  metricProducer,
  type ProducedMetric,
  type StatsMetricProducer,
} from './metric-producer.ts'
export { enableTracing, type TracingOptions, tracePoint } from './spans.ts'
