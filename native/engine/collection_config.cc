#include "engine/collection_config.h"

#include <iterator>
#include <optional>

#include "storage/byte_stream.h"
#include "storage/manifest.h"

namespace vitrine {
namespace {

void PutField(ByteWriter& out, const Field& field) {
  out.Put(static_cast<uint32_t>(field.type));
  out.Put(static_cast<uint32_t>(field.name.size()));
  out.Append(field.name);
  out.Pad(8);
}

// Nothing, and `knows_types` is false, for one of a type that a newer version knows.
std::optional<Field> GetField(ByteReader& in, bool& knows_types) {
  const uint32_t type = in.Get<uint32_t>();
  const uint32_t name_bytes = in.Get<uint32_t>();
  const std::string_view name = in.Text(name_bytes);
  in.SkipPadding(8);
  if (type < std::size(kFieldTypeNames)) {
    return Field{std::string(name), static_cast<FieldType>(type)};
  }
  knows_types = false;
  return {};
}

bool AreArranged(const Fields& fields) {
  Fields arranged = fields;
  return ArrangeFields(arranged).ok() && arranged == fields;
}

}  // namespace

std::vector<std::byte> EncodeCollectionConfig(const CollectionConfig& config) {
  std::vector<std::byte> bytes;
  bytes.reserve(kCollectionConfigBytes + config.fields.size() * 32);
  ByteWriter out(bytes);
  out.Put(static_cast<uint32_t>(config.dimension));
  out.Put(static_cast<uint32_t>(config.metric));
  out.Put(static_cast<uint32_t>(config.type));
  out.Put(static_cast<uint32_t>(config.quantization));
  out.Put(static_cast<uint32_t>(config.m));
  out.Put(static_cast<uint32_t>(config.ef_construction));
  out.Put(static_cast<uint32_t>(config.fields.size()));
  out.Put(static_cast<uint32_t>(config.vectors));
  for (const Field& field : config.fields) PutField(out, field);
  return bytes;
}

Result<CollectionConfig> DecodeCollectionConfig(std::span<const std::byte> bytes,
                                                const std::string& where) {
  ByteReader in(bytes);
  CollectionConfig config;
  config.dimension = in.Get<uint32_t>();
  const uint32_t metric = in.Get<uint32_t>();
  const uint32_t scalar_type = in.Get<uint32_t>();
  const uint32_t quantization = in.Get<uint32_t>();
  config.m = in.Get<uint32_t>();
  config.ef_construction = in.Get<uint32_t>();
  const uint32_t fields = in.Get<uint32_t>();
  const uint32_t vectors = in.Get<uint32_t>();
  bool knows_types = true;
  for (uint32_t i = 0; i < fields && !in.failed(); ++i) {
    const std::optional<Field> field = GetField(in, knows_types);
    if (field) config.fields.push_back(*field);
  }
  if (in.failed() || in.left() != 0) {
    return Status(ErrorCode::kCorrupt, where + ": the configuration has the wrong length");
  }
  if (metric >= std::size(kMetricNames) || scalar_type >= std::size(kVectorTypeNames) ||
      quantization >= std::size(kQuantizationNames) || vectors >= std::size(kVectorPlaceNames) ||
      !knows_types) {
    return Status(ErrorCode::kFormat,
                  where + ": the configuration asks for what this version does not know");
  }
  config.metric = static_cast<Metric>(metric);
  config.type = static_cast<VectorType>(scalar_type);
  config.quantization = static_cast<Quantization>(quantization);
  config.vectors = static_cast<VectorPlace>(vectors);
  if (!MetricFits(config.type, config.metric) || !DimensionFits(config.type, config.dimension) ||
      !QuantizationFits(config.type, config.quantization) || config.dimension < 1 ||
      config.dimension > kMaxDimension || config.m < 2 || config.m > 128 ||
      config.ef_construction < 1 || config.ef_construction > kMaxEf ||
      !AreArranged(config.fields)) {
    return Status(ErrorCode::kCorrupt, where + ": the configuration is out of range");
  }
  return config;
}

std::vector<std::byte> EncodeChange(const ConfigurationChange& change) {
  const bool creates = change.kind == ConfigurationChange::Kind::kCreate;
  std::vector<std::byte> bytes;
  std::vector<std::byte> config;
  if (creates) config = EncodeCollectionConfig(change.config);
  if (change.kind == ConfigurationChange::Kind::kAddField) {
    ByteWriter field(config);
    PutField(field, change.field);
  }
  bytes.reserve(16 + change.name.size() + config.size());
  ByteWriter out(bytes);
  out.Put(static_cast<uint32_t>(change.kind));
  out.Put(change.collection);
  out.Put(static_cast<uint32_t>(change.name.size()));
  out.Put(static_cast<uint32_t>(config.size()));
  out.Append(change.name);
  out.Append(config);
  return bytes;
}

Result<ConfigurationChange> DecodeChange(std::span<const std::byte> bytes,
                                         const std::string& where) {
  using Kind = ConfigurationChange::Kind;
  ByteReader in(bytes);
  ConfigurationChange change;
  const uint32_t kind = in.Get<uint32_t>();
  change.kind = static_cast<Kind>(kind);
  change.collection = in.Get<uint32_t>();
  const uint32_t name = in.Get<uint32_t>();
  const uint32_t config = in.Get<uint32_t>();
  change.name = in.Text(name);
  const std::span<const std::byte> config_bytes = in.Take(config);
  const bool creates = change.kind == Kind::kCreate;
  const bool adds_field = change.kind == Kind::kAddField;
  const bool has_name = change.kind != Kind::kDrop && !adds_field;
  if (in.failed() || in.left() != 0 || kind < 1 || kind > 5 ||
      has_name != IsCollectionName(change.name) ||
      (creates || adds_field) == config_bytes.empty()) {
    return Status(ErrorCode::kCorrupt, where + ": a change of the configuration makes no sense");
  }
  if (creates) {
    Result<CollectionConfig> decoded = DecodeCollectionConfig(config_bytes, where);
    if (!decoded.ok()) return decoded.status();
    change.config = *decoded;
  }
  if (adds_field) {
    bool knows_types = true;
    ByteReader field_bytes(config_bytes);
    const std::optional<Field> field = GetField(field_bytes, knows_types);
    if (field_bytes.failed() || field_bytes.left() != 0 || (field && !IsFieldName(field->name))) {
      return Status(ErrorCode::kCorrupt, where + ": a field makes no sense");
    }
    if (!field) {
      return Status(ErrorCode::kFormat, where + ": a field is of a type that is not known");
    }
    change.field = *field;
  }
  return change;
}

}  // namespace vitrine
