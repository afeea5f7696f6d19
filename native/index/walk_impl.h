// The search loop, compiled once for each instruction set: walk_portable.cc, walk_avx2.cc and
// walk_avx512.cc include this file inside their target region and pass their `Isa` type, so that
// every function here is a symbol of its own. Nothing of the standard library may be *defined* by
// being included here; what it uses was included by the .cc before the region began.
//
// docs/decisions/0001-search-loop.md explains the shape. An `Isa` provides
//   size_t Collect(Slot, const Links&, Scratch&)                 unvisited links -> step_slots
//   void Insert(CandidatePool&, float distance, uint32_t tagged) shifts and inserts at its place
//   kMostMerged, Merge(CandidatePool&, uint32_t near, const float* distances, const Slot* slots)
//     inserts those of the bits of `near`; for pools that keep up to kMostMerged, which may be 0
//   size_t NextUnexpanded(const CandidatePool&, size_t from)     or pool.size
//   uint32_t LessMask(const float* distances, float bound)       bit i: distances[i] < bound, i <
//   16

template <class Isa, class Scorer, class Visible, class Admit, class Counting>
class Walker {
 public:
  Walker(const WalkRequest& request, Scratch& scratch, const Scorer& scorer, const Visible& visible,
         const Admit& admit, Counting counting)
      : request_(request),
        scratch_(scratch),
        scorer_(scorer),
        visible_(visible),
        admit_(admit),
        counting_(counting),
        most_picks_(std::min(kMostPicks, Scratch::kStep / request.links->width())) {}

  // Scores the seeds and keeps the best of them.
  void Start() {
    for (size_t i = 0; i < request_.seeds.size();) {
      scratch_.step_count = 0;
      for (; i < request_.seeds.size() && scratch_.step_count < Scratch::kStep; ++i) {
        const Slot slot = request_.seeds.data()[i];
        if (slot < scratch_.slot_limit && scratch_.Visit(slot)) AddToStep(slot);
      }
      PrefetchRows(0);
      tally_.AddEntries(scratch_.step_count);
      ScoreStep();
    }
    DeferSeeds();
    PickNext();
  }

  // Whether there is a node left whose links could improve the pool.
  bool HasNext() const { return picked_count_ != 0; }

  // Reads the links of the picked nodes: puts the rows that have not been met into the step and
  // asks memory for them.
  void Collect() {
    ++steps_;
    scratch_.step_count = 0;
    const Links& links = *request_.links;
    for (size_t i = 0; i < picked_count_; ++i) {
      const Slot node = picked_[i];
      ++hops_;
      // Without its links a node leads nowhere, and the search fails in the end.
      if (!links.IsHere(node) && !links.Fetch(node, scratch_.failure)) continue;
      if constexpr (Admit::kAll) {
        const size_t first = scratch_.step_count;
        scratch_.step_count += Isa::Collect(node, links, scratch_);
        PrefetchRows(first);
      } else {
        CollectAdmitted(node, links);
      }
    }
  }

  // Scores the step, inserts what is near enough and picks the next node.
  void Advance() {
    tally_.AddStep(scratch_.step_count);
    ScoreStep();
    PickNext();
  }

  StopReason Check() const { return request_.control.Check(hops_, steps_); }

  // The walk has ended, for whatever reason: what it did is counted.
  void Finish() const { counting_.AddWalk(tally_, hops_, Scorer::kCompared); }

  // The links that will most likely be needed next, asked for while the step is being scored.
  void PrefetchLikelyNext() const {
    const CandidatePool& pool = scratch_.pool;
    const size_t next = Isa::NextUnexpanded(pool, next_);
    if (next < pool.size) PrefetchLinks(pool.slot(next));
  }

 private:
  void AddToStep(Slot slot) { scratch_.step_slots[scratch_.step_count++] = slot; }

  // Only the first line: the scorer asks for the rest when it comes near, while asking for every
  // line now would fill the queue of outstanding misses (fashion-mnist: 78 against 107 us).
  VITRINE_ALWAYS_INLINE void PrefetchRow(const Scorer& scorer, size_t i) {
    const Slot slot = scratch_.step_slots[i];
    const auto row = scorer.Ref(slot);
    scratch_.StepRefs(row)[i] = row;
    Prefetch(row);
    if constexpr (Scorer::kTakesFactors) {
      if (scorer.needs_factors()) scratch_.step_factors[i] = scorer.Factor(slot);
    }
  }

  // Of rows of the step from `first` on. By a scorer of its own, whose members compilers keep in
  // registers.
  VITRINE_ALWAYS_INLINE void PrefetchRows(size_t first) {
    const Scorer scorer = scorer_;
    const size_t count = scratch_.step_count, lines = scorer.lines();
    for (size_t i = first; i < count; ++i) {
      PrefetchRow(scorer, i);
      for (size_t j = 1; j < lines; ++j) Prefetch(StepRef(i) + j * kCacheLineBytes);
    }
  }

  typename Scorer::RowRef StepRef(size_t i) const {
    return scratch_.StepRefs(typename Scorer::RowRef{})[i];
  }

  void PrefetchLinks(Slot slot) const {
    const uint32_t* row = request_.links->Row(slot);
    Prefetch(row);
    Prefetch(row + 16);
  }

  void ScoreStep() {
    const size_t count = scratch_.step_count;
    if (count == 0) return;
    auto** const refs = scratch_.StepRefs(typename Scorer::RowRef{});
    if constexpr (Scorer::kTakesFactors) {
      scorer_.Score(refs, scratch_.step_slots, count, scratch_.step_distances,
                    scratch_.step_factors);
    } else {
      scorer_.Score(refs, scratch_.step_slots, count, scratch_.step_distances);
    }
    CandidatePool& pool = scratch_.pool;
    for (size_t i = 0; i < count; i += 16) {
      uint32_t near = Isa::LessMask(scratch_.step_distances + i, Worst());
      if (count - i < 16) near &= (1u << (count - i)) - 1;
      if constexpr (Visible::kAll && Isa::kMostMerged != 0) {
        if (pool.ef <= Isa::kMostMerged) {
          if (near == 0) continue;
          Isa::Merge(pool, near, scratch_.step_distances + i, scratch_.step_slots + i);
          next_ = 0;
          continue;
        }
      }
      for (; near != 0; near &= near - 1) {
        const size_t j = i + static_cast<size_t>(std::countr_zero(near));
        const float distance = scratch_.step_distances[j];
        if (distance < Worst()) Offer(pool, distance, scratch_.step_slots[j]);
      }
    }
  }

  float Worst() const {
    const CandidatePool& pool = scratch_.pool;
    return pool.size < pool.ef + pool.transit ? std::numeric_limits<float>::infinity()
                                              : pool.distance[pool.size - 1];
  }

  // REQUIRES: distance < Worst()
  void Offer(CandidatePool& pool, float distance, Slot slot) {
    uint32_t tagged = slot;
    if constexpr (!Visible::kAll) {
      if (!visible_(slot)) {
        counting_.AddTransitNode();
        if (pool.transit == Scratch::kMaxTransit) return;
        tagged |= CandidatePool::kTransit;
        ++pool.transit;
      }
    }
    ++pool.size;
    const size_t at = Isa::Insert(pool, distance, tagged);
    if (at < next_) next_ = at;
    while (pool.size > pool.ef + pool.transit) {
      --pool.size;
      if constexpr (!Visible::kAll) {
        if (!pool.is_result(pool.size)) --pool.transit;
      }
    }
  }

  // Walking from the eight best seeds finds as much as walking from all of them, with fewer steps.
  // The others wait in the pool. Under a filter none has to: there they are scarce.
  void DeferSeeds() {
    if constexpr (Admit::kAll) {
      CandidatePool& pool = scratch_.pool;
      for (size_t i = request_.seeds_kept; i < pool.size && deferred_count_ < kMaxDeferred; ++i) {
        deferred_[deferred_count_++] = {pool.distance[i], pool.slot(i)};
        pool.tagged[i] |= CandidatePool::kExpanded;
      }
    }
  }

  // A seed that waited and is still in the pool when all else has been walked from is near enough
  // to be walked from as well; what only it leads to would be lost otherwise.
  void ResumeSeeds() {
    CandidatePool& pool = scratch_.pool;
    size_t place = 0;
    for (size_t i = 0; i < deferred_count_; ++i) {
      const Seed seed = deferred_[i];
      if (pool.size == 0 || seed.distance > pool.distance[pool.size - 1]) break;
      while (place < pool.size && pool.distance[place] < seed.distance) ++place;
      for (size_t at = place; at < pool.size && pool.distance[at] == seed.distance; ++at) {
        if (pool.slot(at) != seed.slot) continue;
        pool.tagged[at] &= ~CandidatePool::kExpanded;
        if (at < next_) next_ = at;
      }
    }
    deferred_count_ = 0;
  }

  // Picks the nearest node whose links have not been read. Where the nearest ones have been, the
  // walk has arrived, and those behind will nearly all have their turn: several at a time then, so
  // that memory fetches for one while another is looked at. On the way there, all but the nearest
  // would be work for nothing (measured: docs/decisions/0001-search-loop.md).
  void PickNext() {
    CandidatePool& pool = scratch_.pool;
    picked_count_ = 0;
    next_ = Isa::NextUnexpanded(pool, next_);
    if (next_ >= pool.size && deferred_count_ > 0) {
      ResumeSeeds();
      next_ = Isa::NextUnexpanded(pool, next_);
    }
    const size_t most = Admit::kAll ? std::min(1 + next_ / 2, most_picks_) : 1;
    for (size_t at = next_; at < pool.size && picked_count_ < most;
         at = Isa::NextUnexpanded(pool, at + 1)) {
      picked_[picked_count_++] = pool.slot(at);
      pool.tagged[at] |= CandidatePool::kExpanded;
      PrefetchLinks(pool.slot(at));
    }
  }

  // Two-hop expansion (ACORN; measured rules in docs/decisions/0001-search-loop.md): only admitted
  // nodes are scored; the links of an excluded neighbour are followed in its stead, unless most of
  // the row is admitted anyway.
  void CollectAdmitted(Slot node, const Links& links) {
    const FilterWalk& filter = *request_.filter;
    Slot excluded[256];
    size_t excluded_count = 0;
    size_t seen = 0;
    size_t admitted = 0;
    for (size_t i = 0; i < links.width(); ++i) {
      const uint32_t word = links.Load(node, i);
      if (word == kNoSlot || (!filter.use_fill_edges && !Links::IsLink(word))) continue;
      const Slot slot = Links::Target(word);
      if (slot >= scratch_.slot_limit) continue;
      ++seen;
      if (admit_(slot)) {
        ++admitted;
        if (scratch_.Visit(slot)) TakeAdmitted(slot);
      } else if (excluded_count < 256) {
        excluded[excluded_count++] = slot;
      }
    }
    if (static_cast<float>(admitted) >= filter.one_hop_share * static_cast<float>(seen)) return;
    size_t fresh = 0;
    for (size_t i = 0; i < excluded_count; ++i) {
      if (!scratch_.Visit(excluded[i])) continue;
      excluded[fresh++] = excluded[i];
      PrefetchLinks(excluded[i]);
    }
    for (size_t i = 0; i < fresh && scratch_.step_count < filter.max_step; ++i) {
      counting_.AddSecondHop();
      if (!links.IsHere(excluded[i]) && !links.Fetch(excluded[i], scratch_.failure)) continue;
      for (size_t j = 0; j < links.width(); ++j) {
        const uint32_t word = links.Load(excluded[i], j);
        if (word == kNoSlot || (!filter.use_fill_edges && !Links::IsLink(word))) continue;
        const Slot slot = Links::Target(word);
        if (slot < scratch_.slot_limit && admit_(slot) && scratch_.Visit(slot)) TakeAdmitted(slot);
      }
    }
  }

  void TakeAdmitted(Slot slot) {
    if (scratch_.step_count == Scratch::kStep) return;
    AddToStep(slot);
    PrefetchRow(scorer_, scratch_.step_count - 1);
  }

  struct Seed {
    float distance;
    Slot slot;
  };
  static constexpr size_t kMaxDeferred = EntryTable::kRoom;
  static constexpr size_t kMostPicks = 8;

  const WalkRequest& request_;
  Scratch& scratch_;
  const Scorer& scorer_;
  const Visible& visible_;
  const Admit& admit_;
  const Counting counting_;
  [[no_unique_address]] typename Counting::Walk tally_;
  size_t next_ = 0;  // no unexpanded entry stands before it
  const size_t most_picks_;
  size_t picked_count_ = 0;  // nodes whose links are read next
  Slot picked_[kMostPicks];
  uint64_t hops_ = 0;   // nodes whose links were read
  uint64_t steps_ = 0;  // that they were read in
  size_t deferred_count_ = 0;
  Seed deferred_[kMaxDeferred];  // ascending by distance
};

template <class Isa, class Scorer, class Visible, class Admit, class Counting>
StopReason RunWalk(const WalkRequest& request, Scratch& scratch, const Scorer& scorer,
                   const Visible& visible, const Admit& admit, Counting counting) {
  Walker<Isa, Scorer, Visible, Admit, Counting> walker(request, scratch, scorer, visible, admit,
                                                       counting);
  counting.Enter(SearchPhase::kEntries);
  walker.Start();
  counting.Enter(SearchPhase::kGraph);
  while (walker.HasNext()) {
    const StopReason reason = walker.Check();
    if (reason != StopReason::kExhausted) {
      walker.Finish();
      return reason;
    }
    walker.Collect();
    walker.PrefetchLikelyNext();
    walker.Advance();
  }
  walker.Finish();
  return StopReason::kExhausted;
}

template <class Isa, class Scorer, class Visible, class Counting>
StopReason RunVisible(const WalkRequest& request, Scratch& scratch, const Scorer& scorer,
                      const Visible& visible, Counting counting) {
  if (request.filter != nullptr) {
    return RunWalk<Isa>(request, scratch, scorer, visible, request.filter->admit, counting);
  }
  return RunWalk<Isa>(request, scratch, scorer, visible, AdmitAll{}, counting);
}

// Chooses the form of the loop that leaves out what this request does not need.
template <class Isa, class Scorer, class Counting>
StopReason RunScored(const WalkRequest& request, Scratch& scratch, const Scorer& scorer,
                     Counting counting) {
  if (request.snapshot != nullptr) {
    return RunVisible<Isa>(request, scratch, scorer, *request.snapshot, counting);
  }
  if (request.allowed != nullptr) {
    return RunWalk<Isa>(request, scratch, scorer, *request.allowed, AdmitAll{}, counting);
  }
  if constexpr (!Counting::kCounting) {
    if (request.alive != nullptr) {
      return RunWalk<Isa>(request, scratch, scorer, *request.alive, AdmitAll{}, counting);
    }
  }
  return RunVisible<Isa>(request, scratch, scorer, AllVisible{}, counting);
}

template <class Isa, class Counting>
StopReason RunRequest(const WalkRequest& request, Scratch& scratch, Counting counting) {
  if (request.codes != nullptr) return RunScored<Isa>(request, scratch, *request.codes, counting);
  return RunScored<Isa>(request, scratch, request.scorer, counting);
}

template <class Isa>
StopReason Walk(const WalkRequest& request, Scratch& scratch) {
  return RunRequest<Isa>(request, scratch, NoCounting{});
}

template <class Isa>
StopReason WalkCounted(const WalkRequest& request, Scratch& scratch, SearchCounters& counters) {
  return RunRequest<Isa>(request, scratch, SearchCounting(counters));
}

const VectorScorer& ScorerOf(const WalkRequest& request, const VectorScorer*) {
  return request.scorer;
}
const CodeScorer& ScorerOf(const WalkRequest& request, const CodeScorer*) { return *request.codes; }

// Rotating batch: a lane scores its step, picks its next node and asks for that node's links; two
// turns later it reads them and asks for the rows, and after two turns more the rows are there to
// be scored.
template <class Isa, class Scorer, class Visible, class Counting>
void RunInterleaved(WalkSource& source, const Visible& visible, Scratch* const* scratches) {
  constexpr size_t kLanes = kWalkLanes;
  using Lane = Walker<Isa, Scorer, Visible, AdmitAll, Counting>;
  const auto counting_of = [&]([[maybe_unused]] size_t i) {
    if constexpr (Counting::kCounting) {
      return Counting(*source.CountersOf(i));
    } else {
      return Counting();
    }
  };
  const AdmitAll admit;
  alignas(Lane) unsigned char memory[kLanes][sizeof(Lane)];
  Lane* lanes[kLanes] = {};
  bool collected[kLanes] = {};
  size_t active = 0;

  // Gives the lane its next walk; a walk that ends with its seeds is done at once.
  const auto refill = [&](size_t i) {
    lanes[i] = nullptr;
    collected[i] = false;
    while (const WalkRequest* request = source.Next(i)) {
      const Scorer& scorer = ScorerOf(*request, static_cast<const Scorer*>(nullptr));
      Lane* lane =
          new (memory[i]) Lane(*request, *scratches[i], scorer, visible, admit, counting_of(i));
      counting_of(i).Enter(SearchPhase::kEntries);
      lane->Start();
      counting_of(i).Enter(SearchPhase::kGraph);
      if (lane->HasNext()) {
        lanes[i] = lane;
        return true;
      }
      lane->Finish();
      source.Done(i, StopReason::kExhausted);
    }
    return false;
  };

  // A walk is done: the lane gets another one, or the others go on without it. How many go on.
  const auto go_on = [&](size_t i) {
    if (refill(i)) return active;
    if (active > 1) counting_of(i).Enter(SearchPhase::kGraph);
    return active - 1;
  };

  for (size_t i = 0; i < kLanes; ++i) active += refill(i) ? 1 : 0;
  for (size_t turn = 0; active != 0; turn = (turn + 1) % kLanes) {
    if (lanes[turn] != nullptr && collected[turn]) {
      lanes[turn]->Advance();
      collected[turn] = false;
      if (!lanes[turn]->HasNext()) {
        lanes[turn]->Finish();
        source.Done(turn, StopReason::kExhausted);
        active = go_on(turn);
      }
    }
    const size_t ahead = (turn + kLanes / 2) % kLanes;
    if (lanes[ahead] != nullptr && !collected[ahead]) {
      const StopReason reason = lanes[ahead]->Check();
      if (reason == StopReason::kExhausted) {
        lanes[ahead]->Collect();
        collected[ahead] = true;
      } else {
        lanes[ahead]->Finish();
        source.Done(ahead, reason);
        active = go_on(ahead);
      }
    }
  }
}

template <class Isa, class Scorer, class Visible>
void WalkInterleavedVisible(WalkSource& source, const InterleavedForm& form, const Visible& visible,
                            Scratch* const* scratches) {
  if (form.counted) {
    RunInterleaved<Isa, Scorer, Visible, SearchCounting>(source, visible, scratches);
  } else {
    RunInterleaved<Isa, Scorer, Visible, NoCounting>(source, visible, scratches);
  }
}

template <class Isa, class Scorer>
void WalkInterleavedScored(WalkSource& source, const InterleavedForm& form,
                           Scratch* const* scratches) {
  if (form.snapshot != nullptr) {
    WalkInterleavedVisible<Isa, Scorer>(source, form, *form.snapshot, scratches);
  } else {
    WalkInterleavedVisible<Isa, Scorer>(source, form, AllVisible{}, scratches);
  }
}

template <class Isa>
void WalkInterleaved(WalkSource& source, const InterleavedForm& form, Scratch* const* scratches) {
  if (form.on_codes) {
    WalkInterleavedScored<Isa, CodeScorer>(source, form, scratches);
  } else {
    WalkInterleavedScored<Isa, VectorScorer>(source, form, scratches);
  }
}
