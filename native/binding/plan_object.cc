#include "binding/plan_object.h"

#include <numeric>

#include "binding/js_value.h"

namespace vitrine {
namespace {

constexpr std::string_view kSources[] = {"default", "calibrated", "corrected"};

// RecallPlan of lib/search-plan.ts, or null.
Result<napi_value> MakeRecall(napi_env env, const std::optional<RecallChoice>& choice) {
  napi_value object;
  if (!choice) {
    VITRINE_RETURN_IF_JS_ERROR(napi_get_null(env, &object));
    return object;
  }
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &object));
  const Result<napi_value> source = MakeString(env, kSources[static_cast<size_t>(choice->source)]);
  if (!source.ok()) return source.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, "source", *source));
  VITRINE_RETURN_IF_ERROR(SetNumbers(env, object,
                                     {{"target", choice->target},
                                      {"sampled", static_cast<double>(choice->sample)},
                                      {"checked", static_cast<double>(choice->checks)}}));
  if (choice->source != RecallChoice::Source::kDefault) {
    VITRINE_RETURN_IF_ERROR(
        SetNumbers(env, object,
                   {{"expected", choice->expected}, {"low", choice->low}, {"high", choice->high}}));
    return object;
  }
  napi_value unknown;
  VITRINE_RETURN_IF_JS_ERROR(napi_get_null(env, &unknown));
  for (const char* const name : {"expected", "low", "high"}) {
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, name, unknown));
  }
  return object;
}

Result<napi_value> MakeCounters(napi_env env, const SearchCounters& counters) {
  napi_value object;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &object));
  VITRINE_RETURN_IF_ERROR(
      SetNumbers(env, object,
                 {{"hops", static_cast<double>(counters.hops)},
                  {"probeHops", static_cast<double>(counters.probe_hops)},
                  {"secondHops", static_cast<double>(counters.second_hops)},
                  {"entryEvaluations", static_cast<double>(counters.entry_evaluations)},
                  {"graphEvaluations", static_cast<double>(counters.graph_evaluations)},
                  {"scanEvaluations", static_cast<double>(counters.scan_evaluations)},
                  {"sketchEvaluations", static_cast<double>(counters.sketch_evaluations)},
                  {"rerankEvaluations", static_cast<double>(counters.rerank_evaluations)},
                  {"transitNodes", static_cast<double>(counters.transit_nodes)},
                  {"candidates", static_cast<double>(counters.candidates)},
                  {"reranked", static_cast<double>(counters.reranked)}}));
  return object;
}

Result<napi_value> MakePhases(napi_env env, const PhaseNanoseconds& phases) {
  napi_value object;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &object));
  for (size_t i = 0; i < kSearchPhases; ++i) {
    VITRINE_RETURN_IF_ERROR(
        SetNumbers(env, object, {{kSearchPhaseNames[i], static_cast<double>(phases[i])}}));
  }
  return object;
}

}  // namespace

Result<napi_value> MakePlan(napi_env env, const SearchPlan& plan) {
  napi_value object;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &object));
  const Result<napi_value> kind = MakeString(env, kPlanKindNames[static_cast<size_t>(plan.kind)]);
  if (!kind.ok()) return kind.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, "kind", *kind));
  const Result<napi_value> reason =
      MakeString(env, kPlanReasonNames[static_cast<size_t>(plan.reason)]);
  if (!reason.ok()) return reason.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, "reason", *reason));
  VITRINE_RETURN_IF_ERROR(SetNumbers(env, object,
                                     {{"ef", static_cast<double>(plan.ef)},
                                      {"rows", static_cast<double>(plan.rows)},
                                      {"allowedRows", static_cast<double>(plan.allowed_rows)}}));
  napi_value share;
  if (plan.local_share < 0) {
    VITRINE_RETURN_IF_JS_ERROR(napi_get_null(env, &share));
  } else {
    VITRINE_RETURN_IF_JS_ERROR(napi_create_double(env, plan.local_share, &share));
  }
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, "localShare", share));
  napi_value fill_edges;
  VITRINE_RETURN_IF_JS_ERROR(napi_get_boolean(env, plan.fill_edges, &fill_edges));
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, "fillEdges", fill_edges));
  const Result<napi_value> quantization =
      MakeString(env, kQuantizationNames[static_cast<size_t>(plan.quantization)]);
  if (!quantization.ok()) return quantization.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, "quantization", *quantization));
  const Result<napi_value> recall = MakeRecall(env, plan.recall);
  if (!recall.ok()) return recall.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, "recall", *recall));
  return object;
}

Status SetCost(napi_env env, napi_value object, const SearchCounters& counters,
               const PhaseNanoseconds& phases) {
  VITRINE_RETURN_IF_ERROR(SetProperty(env, object, "counters", MakeCounters(env, counters)));
  napi_value none;
  VITRINE_RETURN_IF_JS_ERROR(napi_get_null(env, &none));
  VITRINE_RETURN_IF_ERROR(SetProperty(
      env, object, "stopReason",
      counters.stop ? MakeString(env, kSearchStopNames[static_cast<size_t>(*counters.stop)])
                    : Result<napi_value>(none)));
  VITRINE_RETURN_IF_ERROR(SetProperty(env, object, "phases", MakePhases(env, phases)));
  const uint64_t total = std::accumulate(phases.begin(), phases.end(), uint64_t{0});
  return SetNumbers(env, object, {{"nanoseconds", static_cast<double>(total)}});
}

Result<napi_value> MakeCost(napi_env env, const SearchCounters& counters,
                            const PhaseNanoseconds& phases) {
  napi_value cost;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &cost));
  VITRINE_RETURN_IF_ERROR(SetCost(env, cost, counters, phases));
  return cost;
}

}  // namespace vitrine
