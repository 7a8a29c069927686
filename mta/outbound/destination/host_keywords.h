#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "mta/base/limits.h"
#include "mta/base/smtp_keyword.h"
#include "mta/base/time.h"
#include "mta/outbound/destination/recent_map.h"
#include "queue/message.h"

namespace mta::outbound {

// Keywords that hosts announce in EHLO and that do not work there: PIPELINING where the commands
// behind the first one are lost, CHUNKING where BDAT is unknown or ends the connection.
//
//   unknown --- a transaction breaks at the first use ---> suspected
//   suspected --- its message, without the keyword, is answered, or comes further ---> distrusted
//   suspected --- it is lost at the same place ---> trusted: the keyword was not to blame
//   any --- the server says that it does not know the command ---> distrusted
//
// Only the message that brought the suspicion decides: others would have got through with the
// keyword as well. An attempt that ends otherwise (earlier, by a 421, before it was told of the
// message) decides nothing. While suspected (2 hours at most) or distrusted, the keyword is used
// with nobody's mail for the host: to do without costs some round trips, to trust it wrongly costs
// the mail. Distrust lasts an hour, and twice as long each time that it comes again within a day,
// up to a day. Trust lasts an hour: until then nothing is suspected. Hosts go by their names, at
// most limits::hosts_remembered_max of them; a restart forgets all.
class HostKeywords {
public:
    static constexpr Millis suspected_for{7'200'000};  // longer than a retry takes
    static constexpr Millis trusted_for{3'600'000};
    static constexpr Millis distrusted_for_min{3'600'000};
    static constexpr Millis distrusted_for_max{86'400'000};

    // What came of a transaction.
    struct Progress {
        std::uint32_t answers = 0;  // to its commands
        enum class End : std::uint8_t {
            answered,  // every recipient
            lost,      // without a word
            other,     // 421, or nothing was asked
        } end = End::other;
    };

    // What is not to be used with the host now.
    [[nodiscard]] SmtpKeywords without(const std::string& host, Instant now) const;

    // A message's transaction has broken at the first use of PIPELINING or CHUNKING, after so many
    // answers. Returns whether it is to be tried without() it.
    [[nodiscard]] bool suspect(const std::string& host, SmtpKeyword keyword,
                               queue::MessageId message, std::uint32_t answers, Instant now);
    // The server has said that it does not know it.
    void distrust(const std::string& host, SmtpKeyword keyword, Instant now);
    // A message's transaction has ended otherwise, on a connection `without` these.
    void conclude(const std::string& host, SmtpKeywords without, queue::MessageId message,
                  Progress progress, Instant now);

private:
    enum class State : std::uint8_t { unknown, suspected, distrusted, trusted };
    struct Opinion {
        State state = State::unknown;
        Instant until;
        queue::MessageId message = 0;  // suspected: by this one,
        std::uint32_t answers = 0;     // which had so many when it broke
        Millis distrusted_for{0};      // the last time
    };
    struct Host {
        std::array<Opinion, 2> opinions;
    };
    static constexpr std::array<SmtpKeyword, 2> keywords = {SmtpKeyword::pipelining,
                                                            SmtpKeyword::chunking};

    [[nodiscard]] static std::size_t place_of(SmtpKeyword keyword);
    static void distrust(Opinion& opinion, Instant now);
    static void conclude(Opinion& opinion, SmtpKeyword keyword, Progress progress, Instant now);

    RecentMap<std::string, Host> hosts_{limits::hosts_remembered_max,
                                        [](const Host&) { return true; }};
};

}  // namespace mta::outbound
