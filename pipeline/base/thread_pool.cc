#include "pipeline/base/thread_pool.h"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <thread>
#include <vector>

namespace penstock {

namespace asio = boost::asio;

struct ThreadPool::Impl {
  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::vector<std::thread> threads;
};

namespace {

class AsioStrand final : public Strand {
 public:
  explicit AsioStrand(asio::io_context& context) : strand_(asio::make_strand(context)) {}

  void post(Task task) override {
    asio::post(strand_, [task = std::move(task)]() mutable { task(); });
  }

  void post_at(SteadyTime when, Task task) override {
    auto timer = std::make_unique<asio::steady_timer>(strand_, when);
    auto& ref = *timer;
    ref.async_wait([timer = std::move(timer), task = std::move(task)](const boost::system::error_code& error) mutable {
      if (!error) task();
    });
  }

 private:
  asio::strand<asio::io_context::executor_type> strand_;
};

}  // namespace

ThreadPool::ThreadPool(const std::string& name, int threads) : impl_(std::make_shared<Impl>()) {
  for (int i = 0; i < threads; ++i) {
    impl_->threads.emplace_back([impl = impl_.get(), name, i] {
      name_this_thread(name + "-" + std::to_string(i));
      impl->context.run();
    });
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  impl_->context.stop();
  for (auto& thread : impl_->threads) {
    if (thread.joinable()) thread.join();
  }
}

std::unique_ptr<Strand> ThreadPool::make_strand() { return std::make_unique<AsioStrand>(impl_->context); }

void name_this_thread(const std::string& name) { pthread_setname_np(pthread_self(), name.substr(0, 15).c_str()); }

}  // namespace penstock
