#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "engine/field.h"
#include "engine/point_record.h"

namespace vitrine {

// Takes the values of declared fields out of payloads, which are JSON text. A property that is null
// or missing has none. Keeps the memory that it needs for texts; not thread-safe.
class PayloadFields {
 public:
  // Who hears of the values.
  class Sink {
   public:
    virtual ~Sink() = default;
    // The field has a value, which follows: none or several for kKeywords. Not called for one of
    // the wrong type.
    virtual void Present(const Field& field) = 0;
    // Of a keyword; "true" and "false" for a boolean. Gone when the call returns.
    virtual void Text(const Field& field, std::string_view text) = 0;
    // Of a number, never -0; a date in milliseconds since 1970.
    virtual void Number(const Field& field, double number) = 0;
    // The field has something else: `found`, for messages. Values may have come before.
    virtual void Wrong(const Field& field, std::string_view found) = 0;
  };

  // Allocates nothing when a payload that is not shorter was read before. False for a payload that
  // is no JSON object; values may have come before.
  bool Read(const Fields& fields, const PointRecord::Payload& payload, Sink& sink);
  // kPayload when a field has a value of the wrong type; the message names it and `of`.
  Status Check(const Fields& fields, const PointRecord::Payload& payload, const PointKey& of);

 private:
  std::string name_;
  std::string text_;
};

}  // namespace vitrine
