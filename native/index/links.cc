#include "index/links.h"

namespace vitrine {

// Out of the way of the search loop, which is compiled for several instruction sets.
bool Links::Fetch(Slot slot, Status& failure) const { return lazy_->Ensure(slot, failure); }

}  // namespace vitrine
