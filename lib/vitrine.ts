import { native, version } from './binding.ts'

export type { MemoryUsage } from './binding.ts'
export type { ByteChunks } from './byte-reader.ts'
export type { OnProgress } from './cancellation.ts'
export { Collection } from './collection.ts'
export { Database } from './database.ts'
export type {
  CallOptions,
  CollectionConfig,
  CollectionInfo,
  CollectionSearchOptions,
  CollectionWriteOptions,
  Damage,
  DamageEvent,
  DatabaseMemoryUsage,
  DatabaseOptions,
  DiskUsage,
  Durability,
  FilterOptions,
  ReadOptions,
  RecommendOptions,
  ScanOptions,
  TransactionOptions,
  VerifyReport,
} from './database-options.ts'
export type { EngineStats, LatencySummary, RecallSummary } from './engine-stats.ts'
export type { ErrorHistory, LoggedError } from './error-history.ts'
export { type ErrorCode, type ErrorDetails, VitrineError } from './errors.ts'
export type { DateValue, Fields, FieldType, FieldValue, NoFields, PayloadOf } from './fields.ts'
export type { IdSet } from './id-set.ts'
export type {
  IndexOptions,
  LoadOptions,
  Metric,
  OptimizeOptions,
  Quantization,
  SaveOptions,
  SearchOptions,
  WriteOptions,
} from './index-options.ts'
export { type AnalyzedSearch, formatPlan } from './plan-tree.ts'
export type {
  Ack,
  CollectionSearchAnalysis,
  CollectionSearchProfile,
  Columns,
  Hit,
  Hits,
  Payload,
  Point,
  PointId,
  Select,
  StoredPoint,
} from './points.ts'
export type { QueryOptions } from './query-copy.ts'
export type {
  CollectionSearchPlan,
  PlanKind,
  PlanReason,
  RecallPlan,
  SearchCost,
  SearchCounters,
  SearchPhases,
  SearchPlan,
  SearchStop,
} from './search-plan.ts'
export type { BatchResult, SearchAnalysis, SearchResult } from './search-results.ts'
export type { LoggedQuery, Slowlog, SlowlogKind, SlowQuery } from './slowlog.ts'
export type {
  HistogramFamily,
  HistogramSample,
  MetricFamily,
  MetricLabels,
  ScalarFamily,
  StatsLevel,
  StatsOptions,
  StatsSnapshot,
  StatsSnapshotOptions,
} from './statistics.ts'
export type { Deletion, Transaction, TransactionCollection } from './transaction.ts'
export type {
  ExportOptions,
  ExportResult,
  ImportOptions,
  ImportResult,
  PointFormat,
  TransferProgress,
} from './transfer-options.ts'
export type { Id, IdArray, Ids, IdType } from './typed-arrays.ts'
export { Index } from './vector-index.ts'
export type { VectorArray, Vectors, VectorType } from './vector-types.ts'
export type { AnyWhere, Comparand, Condition, Where } from './where.ts'

/** What runs in this process. */
export interface EngineInfo {
  /** Of this package. */
  readonly version: string
  /** Of the kernels in use: the best that the processor runs, or the one that the environment variable VITRINE_ISA names. */
  readonly instructionSet: string
  /** Of the pool that all indexes of the process share. */
  readonly threads: number
}

export function engineInfo(): EngineInfo {
  return { version, ...native.engineInfo() }
}
