#include "dns/question.h"

namespace dns {

std::string_view to_string(RecordType type) {
    switch (type) {
        case RecordType::a: return "A";
        case RecordType::cname: return "CNAME";
        case RecordType::soa: return "SOA";
        case RecordType::mx: return "MX";
        case RecordType::aaaa: return "AAAA";
    }
    return "?";
}

std::string to_string(const Question& question) {
    return question.name + ' ' + std::string(to_string(question.type));
}

}  // namespace dns
