#pragma once
#include <memory>
#include <utility>

namespace mta {

// The right to an answer that comes later. Its owner keeps it where the answer is expected;
// destroying or reset()ing it cancels: the callback is then dropped without being called, however
// late the answer comes.
//
//     lookup_ = Pending{};
//     resolver.look_up(name, lookup_.guard([this](const Answer& answer) { use(answer); }));
//
// Not thread-safe: the callback has to come on the owner's thread.
class Pending {
public:
    Pending() = default;
    Pending(Pending&&) = default;
    Pending& operator=(Pending&&) = default;
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    ~Pending() = default;

    // `callback`, to be called only while this Pending lives. May be used for several callbacks,
    // which are then cancelled together.
    template <class Callback>
    [[nodiscard]] auto guard(Callback callback) {
        if (!token_) token_ = std::make_shared<Token>();
        return [watched = std::weak_ptr<Token>(token_),
                wrapped = std::move(callback)](auto&&... arguments) mutable {
            if (watched.expired()) return;
            wrapped(std::forward<decltype(arguments)>(arguments)...);
        };
    }
    // Cancels what was guarded so far.
    void reset() { token_.reset(); }

private:
    struct Token {};
    std::shared_ptr<Token> token_;
};

}  // namespace mta
