#include "engine/recall_prober.h"

#include <chrono>
#include <memory>
#include <utility>

#include "base/thread_time.h"
#include "engine/recall_check.h"

namespace vitrine {

// One probe, which is counted when it goes, however far it has come by then.
class RecallProber::Run {
 public:
  Run(const Table& table, const ProbedSearch& search, std::shared_ptr<const PointFilter> filter,
      RecallProbe probe)
      : probe_(std::move(probe)),
        check_(table, search.query, search.k, search.hits, search.snapshot, std::move(filter)) {}

  bool valid() const { return check_.valid(); }
  RecallProbeRecord& record() { return probe_.record; }

  // Goes on; false when it is at its end.
  bool Step() {
    // Should the step throw.
    record().outcome = ProbeOutcome::kError;
    const uint64_t start = ThreadCpuNanoseconds();
    const bool more = check_.Step();
    probe_.Spend(std::chrono::nanoseconds(ThreadCpuNanoseconds() - start));
    if (check_.failed()) return false;
    record().outcome = more ? ProbeOutcome::kSkipped : ProbeOutcome::kOk;
    if (more) return true;
    record().expected = check_.expected();
    record().found = check_.expected() - check_.missed();
    return false;
  }

 private:
  RecallProbe probe_;  // first: it counts what became of the others' constructors
  RecallCheck check_;
};

void RecallProber::Probe(const ProbedSearch& search, const RecallSampler& sampler) {
  RecallProbe probe(sampler);
  probe.record.index = search.index;
  probe.record.k = search.k;
  if (steps_.busy() || !sampler.CanAfford()) return;
  std::shared_ptr<const PointFilter> filter;
  if (search.filter != nullptr) {
    filter = search.filter->weak_from_this().lock();
    if (filter == nullptr) return;
  }
  // As long as it has not all the memory that it takes.
  probe.record.outcome = ProbeOutcome::kError;
  std::shared_ptr<Run> run;
  const auto begun = steps_.StartMade([&] {
    run = std::make_shared<Run>(table_, search, std::move(filter), std::move(probe));
    BackgroundSteps::Step step;
    if (run->valid()) step = [run] { return run->Step(); };
    run->record().outcome = ProbeOutcome::kSkipped;
    return step;
  });
  if (begun == BackgroundSteps::Beginning::kNoMemory && run != nullptr) {
    run->record().outcome = ProbeOutcome::kError;
  }
}

}  // namespace vitrine
