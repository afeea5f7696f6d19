// Files of which one field is wrong and every checksum right, so that the checks behind them must
// tell; and files of which no field is.

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "base/byte_order.h"
#include "container_surgery.h"
#include "engine/table_file_format.h"
#include "small_table_file.h"
#include "storage/container_writer.h"

namespace vitrine::table_file_fields_test {
namespace {

// A change to a file, the code that it must lead to, and a part of the message.
struct Damage {
  const char* name;
  std::function<void(Bytes&)> change;
  ErrorCode code;
  const char* message;
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

template <typename T>
std::function<void(Bytes&)> SetIn(SectionType type, uint64_t at, T value) {
  return [=](Bytes& file) {
    StoreLittleEndian(file.data() + SectionOf(file, type).offset + at, value);
  };
}
template <typename T>
std::function<void(Bytes&)> SetInHeader(uint64_t at, T value) {
  return [=](Bytes& file) { StoreLittleEndian(file.data() + at, value); };
}
template <typename T>
std::function<void(Bytes&)> SetInTable(SectionType type, uint64_t at, T value) {
  return
      [=](Bytes& file) { StoreLittleEndian(file.data() + TablePlaceOf(file, type) + at, value); };
}
template <typename T>
std::function<void(Bytes&)> SetInFooter(uint64_t at, T value) {
  return
      [=](Bytes& file) { StoreLittleEndian(file.data() + file.size() - kPageBytes + at, value); };
}
std::function<void(Bytes&)> SetFloat(uint64_t at, float value) {
  return SetIn(SectionType::kVectors, at, std::bit_cast<uint32_t>(value));
}
std::function<void(Bytes&)> Both(std::function<void(Bytes&)> a, std::function<void(Bytes&)> b) {
  return [=](Bytes& file) {
    a(file);
    b(file);
  };
}

// Facts about the small table are looked up in the file, so that they need not be known here.
uint32_t RowsOf(const Bytes& file) {
  return static_cast<uint32_t>(SectionOf(file, SectionType::kIds).count);
}
uint32_t WordOf(const Bytes& file, uint64_t row, uint64_t i) {
  const SectionEntry links = SectionOf(file, SectionType::kLinks);
  return LoadLittleEndian<uint32_t>(file.data() + links.offset + row * links.element_bytes + 4 * i);
}
uint32_t ZeroRowOf(const Bytes& file) {
  for (uint32_t row = 0; row < RowsOf(file); ++row) {
    const SectionEntry vectors = SectionOf(file, SectionType::kVectors);
    const std::byte* at = file.data() + vectors.offset + uint64_t{row} * vectors.element_bytes;
    if (std::all_of(at, at + vectors.element_bytes, [](std::byte b) { return b == std::byte{}; })) {
      return row;
    }
  }
  return UINT32_MAX;
}

const Damage kDamages[] = {
    // Header.
    {"Magic", SetInHeader<uint8_t>(1, 'X'), ErrorCode::kFormat, "not a file of vitrine"},
    {"Kind", SetInHeader<uint16_t>(8, 2), ErrorCode::kFormat, "of kind 2"},
    {"Major", SetInHeader<uint16_t>(10, 1), ErrorCode::kFormat,
     "is of format 1, this version reads format 0; it was written by a?test"},
    {"HeaderLength", SetInHeader<uint16_t>(14, 8192), ErrorCode::kCorrupt, "header"},
    {"UnnamedFeature", SetInHeader<uint64_t>(32, 2), ErrorCode::kFormat, "feature mask 2"},
    {"NamedFeature",
     [](Bytes& file) {
       StoreLittleEndian<uint64_t>(file.data() + 32, 1);
       std::memcpy(file.data() + 112, "gold\x1b[0m", 8);
     },
     ErrorCode::kFormat, "does not know: gold?[0m"},
    {"HeaderReserved", SetInHeader<uint8_t>(4000, 1), ErrorCode::kCorrupt, "reserved"},
    {"Epoch", SetInHeader<uint64_t>(64, 5), ErrorCode::kCorrupt, "another header"},
    {"Database", SetInHeader<uint64_t>(40, 5), ErrorCode::kCorrupt, "another header"},
    // Footer.
    {"FooterMagic", SetInFooter<uint8_t>(4088, 0), ErrorCode::kCorrupt, "footer"},
    {"FileLength", SetInFooter<uint64_t>(16, 4096), ErrorCode::kCorrupt, "not as long"},
    {"TableOffset", SetInFooter<uint64_t>(0, UINT64_MAX - 7), ErrorCode::kCorrupt, "section table"},
    {"TableOffsetOdd", SetInFooter<uint64_t>(0, 4097), ErrorCode::kCorrupt, "section table"},
    {"TableInFooter",
     [](Bytes& file) {
       StoreLittleEndian<uint64_t>(file.data() + file.size() - kPageBytes, file.size() - 8);
     },
     ErrorCode::kCorrupt, "section table"},
    {"TableLength", SetInFooter<uint64_t>(8, UINT64_MAX / 56 * 56), ErrorCode::kCorrupt,
     "section table"},
    {"TableOfNothing", SetInFooter<uint64_t>(8, 0), ErrorCode::kCorrupt, ""},
    {"FooterReserved", SetInFooter<uint8_t>(100, 1), ErrorCode::kCorrupt, "reserved"},
    {"NoVersion", SetInFooter<uint64_t>(24, 0), ErrorCode::kCorrupt, "version"},
    {"LastVersion", SetInFooter<uint64_t>(24, UINT64_MAX), ErrorCode::kCorrupt, "version"},
    // Section table.
    {"SectionType", SetInTable<uint32_t>(SectionType::kEntries, 0, 99), ErrorCode::kFormat,
     "does not know: section 99"},
    {"SectionMissing",
     Both(SetInTable<uint32_t>(SectionType::kEntries, 4, 1),
          SetInTable<uint32_t>(SectionType::kEntries, 0, 99)),
     ErrorCode::kCorrupt, "entries is missing"},
    {"SectionTwice", SetInTable<uint32_t>(SectionType::kEntries, 0, 6), ErrorCode::kCorrupt,
     "links: comes twice"},
    {"SectionFlags", SetInTable<uint32_t>(SectionType::kLinks, 4, 2), ErrorCode::kFormat, "flags"},
    {"SectionCodec", SetInTable<uint32_t>(SectionType::kVectors, 52, 1), ErrorCode::kFormat,
     "codec 1 for vectors"},
    {"SectionOffset", SetInTable<uint64_t>(SectionType::kIds, 8, 4096), ErrorCode::kCorrupt,
     "ids: does not begin"},
    {"SectionLength", SetInTable<uint64_t>(SectionType::kIds, 16, UINT64_MAX), ErrorCode::kCorrupt,
     "ids: reaches beyond"},
    {"SectionCount", SetInTable<uint64_t>(SectionType::kIds, 24, uint64_t{1} << 62),
     ErrorCode::kCorrupt, "ids: count and size"},
    {"ElementSize", SetInTable<uint32_t>(SectionType::kIds, 32, 0), ErrorCode::kCorrupt,
     "ids: count and size"},
    {"BlockSize", SetInTable<uint32_t>(SectionType::kIds, 36, 0), ErrorCode::kCorrupt,
     "ids: blocks"},
    {"ChecksumsOffset", SetInTable<uint64_t>(SectionType::kIds, 40, UINT64_MAX - 3), ErrorCode::kCorrupt,
     "ids: checksums"},
    {"SectionPadding",
     [](Bytes& file) {
       const SectionEntry ids = SectionOf(file, SectionType::kIds);
       file[ids.offset + ids.length] = std::byte{1};
     },
     ErrorCode::kCorrupt, "padding"},
    {"TailPadding",
     [](Bytes& file) { file[file.size() - kPageBytes - 1] = std::byte{1}; },
     ErrorCode::kCorrupt, "padding"},
    {"ChecksumsPadding",
     [](Bytes& file) { file[SectionOf(file, SectionType::kConfig).crcs_offset + 4] = std::byte{1}; },
     ErrorCode::kCorrupt, "padding"},
    // Config.
    {"NoDimension", SetIn<uint32_t>(SectionType::kConfig, 0, 0), ErrorCode::kCorrupt, "dimension"},
    {"LargeDimension", SetIn<uint32_t>(SectionType::kConfig, 0, 65'537), ErrorCode::kCorrupt,
     "dimension"},
    {"OtherDimension", SetIn<uint32_t>(SectionType::kConfig, 0, 17), ErrorCode::kCorrupt,
     "vectors"},
    {"Metric", SetIn<uint32_t>(SectionType::kConfig, 4, 5), ErrorCode::kFormat, "metric 5"},
    {"MetricOfBits", SetIn<uint32_t>(SectionType::kConfig, 4, 3), ErrorCode::kCorrupt, "config"},
    {"ScalarType", SetIn<uint32_t>(SectionType::kConfig, 8, 6), ErrorCode::kFormat,
     "scalar type 6"},
    {"TypeOfOtherLength", SetIn<uint32_t>(SectionType::kConfig, 8, 4), ErrorCode::kCorrupt,
     "padding is not zero"},
    {"IdType", SetIn<uint32_t>(SectionType::kConfig, 12, 2), ErrorCode::kFormat, "id type 2"},
    {"WideIds", SetIn<uint32_t>(SectionType::kConfig, 12, 1), ErrorCode::kCorrupt, "ids"},
    {"SmallM", SetIn<uint32_t>(SectionType::kConfig, 16, 1), ErrorCode::kCorrupt, "m is"},
    {"LargeM", SetIn<uint32_t>(SectionType::kConfig, 16, 129), ErrorCode::kCorrupt, "m is"},
    {"OtherM", SetIn<uint32_t>(SectionType::kConfig, 16, 9), ErrorCode::kCorrupt, "width"},
    {"NoEf", SetIn<uint32_t>(SectionType::kConfig, 20, 0), ErrorCode::kCorrupt, "efConstruction"},
    {"LargeEf", SetIn<uint32_t>(SectionType::kConfig, 20, 16'385), ErrorCode::kCorrupt,
     "efConstruction"},
    {"Quantization", SetIn<uint32_t>(SectionType::kConfig, 24, 4), ErrorCode::kFormat,
     "quantization 4"},
    {"LinkWidth", SetIn<uint32_t>(SectionType::kConfig, 28, 32), ErrorCode::kCorrupt, "links"},
    {"NextIdTaken", SetIn<uint64_t>(SectionType::kConfig, 48, 123), ErrorCode::kCorrupt,
     "next id is taken"},
    {"NextIdLarge", SetIn<uint64_t>(SectionType::kConfig, 48, (uint64_t{1} << 32) + 1),
     ErrorCode::kCorrupt, "next id is out of range"},
    {"FewRows", SetIn<uint64_t>(SectionType::kConfig, 56, 3), ErrorCode::kCorrupt, "ids"},
    {"ManyRows", SetIn<uint64_t>(SectionType::kConfig, 56, uint64_t{1} << 62), ErrorCode::kCorrupt,
     "too many rows"},
    {"FewPoints", SetIn<uint64_t>(SectionType::kConfig, 64, 22), ErrorCode::kCorrupt, "points"},
    {"FarFewerPoints", SetIn<uint64_t>(SectionType::kConfig, 64, 4), ErrorCode::kCorrupt,
     "more points|number of points"},
    {"NoPoints", SetIn<uint64_t>(SectionType::kConfig, 64, 0), ErrorCode::kCorrupt, "points"},
    {"ManyPoints", SetIn<uint64_t>(SectionType::kConfig, 64, uint64_t{1} << 62),
     ErrorCode::kCorrupt, "points"},
    {"ManyOffered", SetIn<uint64_t>(SectionType::kConfig, 72, UINT64_MAX), ErrorCode::kCorrupt,
     "spacing"},
    {"NoStride", SetIn<uint64_t>(SectionType::kConfig, 80, 0), ErrorCode::kCorrupt, "spacing"},
    {"OddStride", SetIn<uint64_t>(SectionType::kConfig, 80, 3), ErrorCode::kCorrupt, "spacing"},
    {"LargeStride", SetIn<uint64_t>(SectionType::kConfig, 80, uint64_t{1} << 63),
     ErrorCode::kCorrupt, "spacing"},
    {"Codes", SetIn<uint32_t>(SectionType::kConfig, 88, 3), ErrorCode::kFormat, "codes 3"},
    {"CodesNotAskedFor", SetIn<uint32_t>(SectionType::kConfig, 88, 1), ErrorCode::kCorrupt,
     "asked for"},
    {"CodesWithoutCentre",
     Both(SetIn<uint32_t>(SectionType::kConfig, 24, 3),
          SetIn<uint32_t>(SectionType::kConfig, 88, 2)),
     ErrorCode::kCorrupt, "centre"},
    {"ConfigReserved", SetIn<uint64_t>(SectionType::kConfig, 120, 1), ErrorCode::kCorrupt,
     "reserved"},
    // Ids, births and guests.
    {"IdTwice",
     [](Bytes& file) {
       std::byte* ids = file.data() + SectionOf(file, SectionType::kIds).offset;
       std::memcpy(ids + 8, ids + 4, 4);
     },
     ErrorCode::kCorrupt, "comes twice"},
    {"IdWithoutOwner", SetIn<uint32_t>(SectionType::kIds, 0, 7), ErrorCode::kCorrupt,
     "without an owner"},
    {"LateBirth", SetIn<uint64_t>(SectionType::kBirths, 8, uint64_t{1} << 40), ErrorCode::kCorrupt,
     "appeared after"},
    {"RowWithoutPoints",
     Both(SetIn<uint64_t>(SectionType::kBirths, 16, 0), SetIn<uint32_t>(SectionType::kIds, 8, 0)),
     ErrorCode::kCorrupt, "points|neither an owner nor a guest"},
    {"RowWithoutPointsCounted",
     Both(Both(SetIn<uint64_t>(SectionType::kBirths, 16, 0),
               SetIn<uint32_t>(SectionType::kIds, 8, 0)),
          SetIn<uint64_t>(SectionType::kConfig, 64, 22)),
     ErrorCode::kCorrupt, "neither an owner nor a guest"},
    {"GuestRow", SetIn<uint32_t>(SectionType::kGuests, 16, 1000), ErrorCode::kCorrupt,
     "no such row"},
    {"GuestReserved", SetIn<uint32_t>(SectionType::kGuests, 20, 1), ErrorCode::kCorrupt,
     "reserved"},
    {"GuestId", SetIn<uint64_t>(SectionType::kGuests, 0, uint64_t{1} << 32), ErrorCode::kCorrupt,
     "an id is out of range"},
    {"GuestIsAnOwner", SetIn<uint64_t>(SectionType::kGuests, 0, 101), ErrorCode::kCorrupt,
     "id 101 comes twice"},
    {"GuestOrder", SetIn<uint32_t>(SectionType::kGuests, 24 + 16, 9), ErrorCode::kCorrupt,
     "not in order"},
    {"GuestUnborn", SetIn<uint64_t>(SectionType::kGuests, 8, 0), ErrorCode::kCorrupt, "version"},
    {"GuestLate", SetIn<uint64_t>(SectionType::kGuests, 8, UINT64_MAX), ErrorCode::kCorrupt,
     "version"},
    // Vectors.
    {"Nan", SetFloat(4, std::nanf("")), ErrorCode::kCorrupt, "not finite"},
    {"Infinity", SetFloat(64 + 8, std::numeric_limits<float>::infinity()), ErrorCode::kCorrupt,
     "not finite"},
    {"MinusInfinity", SetFloat(64, -std::numeric_limits<float>::infinity()), ErrorCode::kCorrupt,
     "not finite"},
    {"VectorPadding", SetIn<uint8_t>(SectionType::kVectors, 12, 1), ErrorCode::kCorrupt,
     "padding"},
    {"VectorBecomesZero",
     Both(SetIn<uint64_t>(SectionType::kVectors, 64, 0),
          SetIn<uint32_t>(SectionType::kVectors, 72, 0)),
     ErrorCode::kCorrupt, "zero vector"},
    // Links and entries.
    {"LinkBeyond",
     [](Bytes& file) { SetIn<uint32_t>(SectionType::kLinks, 0, RowsOf(file))(file); },
     ErrorCode::kCorrupt, "not there"},
    {"FillBeyond",
     [](Bytes& file) {
       SetIn<uint32_t>(SectionType::kLinks, 0, RowsOf(file) | Links::kFill)(file);
     },
     ErrorCode::kCorrupt, "not there"},
    {"LinkFarBeyond", SetIn<uint32_t>(SectionType::kLinks, 0, 0x7fffffff), ErrorCode::kCorrupt,
     "not there"},
    {"LinkToSelf", SetIn<uint32_t>(SectionType::kLinks, 64, 1), ErrorCode::kCorrupt, "to itself"},
    {"FillToSelf", SetIn<uint32_t>(SectionType::kLinks, 64, 1 | Links::kFill), ErrorCode::kCorrupt,
     "to itself"},
    {"LinkTwice",
     [](Bytes& file) {
       size_t place = 0;
       while (!Links::IsLink(WordOf(file, 1, place))) ++place;
       const uint64_t other = place == 0 ? 15 : 0;
       SetIn<uint32_t>(SectionType::kLinks, 64 + 4 * other, WordOf(file, 1, place))(file);
     },
     ErrorCode::kCorrupt, "a link twice"},
    {"ManyLinks",
     [](Bytes& file) {
       for (uint32_t i = 0; i < 5; ++i) {
         SetIn<uint32_t>(SectionType::kLinks, 64 + 4 * i, i + 2)(file);
       }
     },
     ErrorCode::kCorrupt, "too many links"},
    {"LinkToZero",
     [](Bytes& file) {
       for (uint64_t i = 0; i < 16; ++i) {
         SetIn<uint32_t>(SectionType::kLinks, 64 + 4 * i, i == 0 ? ZeroRowOf(file) : kNoSlot)(file);
       }
     },
     ErrorCode::kCorrupt, "leads to a zero vector"},
    {"LinkFromZero",
     [](Bytes& file) {
       SetIn<uint32_t>(SectionType::kLinks, uint64_t{64} * ZeroRowOf(file), 1)(file);
     },
     ErrorCode::kCorrupt, "zero vector has links"},
    {"EntryBeyond", SetIn<uint32_t>(SectionType::kEntries, 0, kNoSlot), ErrorCode::kCorrupt,
     "not there"},
    {"EntryTwice",
     [](Bytes& file) {
       std::byte* entries = file.data() + SectionOf(file, SectionType::kEntries).offset;
       std::memcpy(entries + 4, entries, 4);
     },
     ErrorCode::kCorrupt, "an entry comes twice"},
    {"EntryZero",
     [](Bytes& file) { SetIn<uint32_t>(SectionType::kEntries, 0, ZeroRowOf(file))(file); },
     ErrorCode::kCorrupt, "an entry is a zero vector"},
    {"OtherOutsider", SetIn<uint32_t>(SectionType::kOutsiders, 0, 3), ErrorCode::kCorrupt,
     "zero vector|outside the graph"},
    {"OutsiderBeyond", SetIn<uint32_t>(SectionType::kOutsiders, 0, 1000), ErrorCode::kCorrupt,
     "no such row|outside the graph"},
};

// What nobody looks at in a vector that is mapped, because nobody reads it: its padding, and
// whether what the file says of it is true.
bool IsLeftAlone(std::string_view name) {
  return name == "VectorPadding" || name == "TypeOfOtherLength" || name == "VectorBecomesZero";
}

// Whether the message has one of some parts, between which there are bars.
bool SaysOneOf(const Status& status, std::string_view parts) {
  for (size_t from = 0; from <= parts.size();) {
    const size_t end = std::min(parts.find('|', from), parts.size());
    if (status.message().find(parts.substr(from, end - from)) != std::string::npos) return true;
    from = end + 1;
  }
  return false;
}

class DamagedField : public testing::TestWithParam<Damage> {};

TEST_P(DamagedField, IsFoundBehindRightChecksums) {
  const auto& [name, change, code, message] = GetParam();
  Bytes file = SmallFile();
  change(file);
  RepairChecksums(file);
  ASSERT_NE(file, SmallFile());
  const auto loaded = LoadBytes(file);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.status().code(), code) << loaded.status().message();
  EXPECT_TRUE(SaysOneOf(loaded.status(), message)) << loaded.status().message();
  const auto& details = loaded.status().details();
  const auto has = [&](const char* detail) {
    return std::any_of(details.begin(), details.end(),
                       [&](const ErrorDetail& each) { return each.name == detail; });
  };
  EXPECT_TRUE(has("path"));
  EXPECT_EQ(has("section"), code == ErrorCode::kCorrupt);
  EXPECT_EQ(has("offset"), code == ErrorCode::kCorrupt);
}

TEST_P(DamagedField, IsFoundOnDemand) {
  const auto& [name, change, code, message] = GetParam();
  if (IsLeftAlone(name)) return;
  Bytes file = SmallFile();
  change(file);
  RepairChecksums(file);
  const Status status = StatusOnDemand(file);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_TRUE(SaysOneOf(status, message)) << status.message();
}

INSTANTIATE_TEST_SUITE_P(All, DamagedField, testing::ValuesIn(kDamages),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(TableFileFields, RepairingAWholeFileChangesNothing) {
  Bytes file = SmallFile();
  RepairChecksums(file);
  EXPECT_EQ(file, SmallFile());
}

TEST(TableFileFields, NewerFilesThatOldReadersMayReadAreRead) {
  for (const auto& change :
       {SetInHeader<uint16_t>(12, 9), SetInHeader<uint64_t>(16, 1), SetInHeader<uint64_t>(24, 1)}) {
    Bytes file = SmallFile();
    change(file);
    file[4000] = std::byte{1};  // a field that this version does not know
    RepairChecksums(file);
    const auto loaded = LoadBytes(file);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  }
}

TEST(TableFileFields, SectionsThatMayBeIgnoredAre) {
  for (const uint32_t flags : {0u, SectionEntry::kMayBeIgnored}) {
    // The small file once more, with a section of a type to come.
    const Bytes& old = SmallFile();
    MemoryFiles files;
    {
      auto file = files.Create(kPath);
      ASSERT_TRUE(file.ok());
      ContainerWriter writer(**file, nullptr);
      ExpectOk(writer.Start(DecodeHeader(old.data())));
      for (uint32_t type = 1; type <= 7; ++type) {
        const SectionEntry section = SectionOf(old, static_cast<SectionType>(type));
        writer.BeginSection(static_cast<SectionType>(type), section.element_bytes);
        ExpectOk(writer.Append({old.data() + section.offset, static_cast<size_t>(section.length)}));
        ExpectOk(writer.EndSection());
      }
      writer.BeginSection(static_cast<SectionType>(31), 1, flags);
      ExpectOk(writer.Append(Bytes(100)));
      ExpectOk(writer.EndSection());
      ASSERT_TRUE(writer.Finish(FooterOf(old).covered_version).ok());
    }
    const auto loaded = Load(files);
    EXPECT_EQ(loaded.ok(), flags != 0);
    EXPECT_TRUE(loaded.ok() || loaded.status().code() == ErrorCode::kFormat);
  }
}

TEST(TableFileFields, CentresOfCodesAreChecked) {
  constexpr size_t kDimension = 4;
  const auto table = MakeShaped(Shape{.dimension = kDimension, .quantization = Quantization::kSq8});
  std::vector<PointId> ids(1000);
  std::iota(ids.begin(), ids.end(), PointId{0});
  ExpectOk(table->Add(ids, RandomVectors(ids.size(), kDimension, 1)));
  const Bytes whole = SavedBytes(*table);
  const struct {
    std::function<void(Bytes&)> damage;
    std::string_view what;
  } cases[] = {
      {SetIn<uint32_t>(SectionType::kCodeCentre, 4, 0x7fc00000), "not finite"},
      {SetIn<uint32_t>(SectionType::kConfig, 88, 0), "centre"},
      {SetIn<uint32_t>(SectionType::kConfig, 88, 2), "asked for"},
  };
  EXPECT_TRUE(LoadBytes(whole).ok());
  for (const auto& [damage, what] : cases) {
    Bytes file = whole;
    damage(file);
    RepairChecksums(file);
    const auto loaded = LoadBytes(file);
    ASSERT_FALSE(loaded.ok()) << what;
    EXPECT_EQ(loaded.status().code(), ErrorCode::kCorrupt);
    EXPECT_NE(loaded.status().message().find(what), std::string::npos) << loaded.status().message();
  }
}

}  // namespace
}  // namespace vitrine::table_file_fields_test
