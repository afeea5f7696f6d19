#include "stats/search_counters.h"

namespace vitrine {

// Here, where those who copy it do not see that it is nothing.
const SearchCounters kNothingCounted;

}  // namespace vitrine
