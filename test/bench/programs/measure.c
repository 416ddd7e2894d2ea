/*
 * measure REPORT SECONDS COMMAND [ARGUMENT...]
 *
 * Runs a command to its end and writes to REPORT, as JSON: wall time (ns), CPU time (us, user and system, with what the command
 * itself waited for), peak resident memory of the largest process (KiB), exit code or signal. After SECONDS the whole process
 * group is killed. A program of its own because what a process was before exec counts to its peak: this one is tiny.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;
static volatile sig_atomic_t late;

static void end_group(int sig) {
  if (sig == SIGALRM) late = 1;
  kill(-child, SIGKILL);
}

static long long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "measure REPORT SECONDS COMMAND [ARGUMENT...]\n");
    return 2;
  }
  long long began = nanoseconds();
  child = fork();
  if (child < 0) {
    perror("fork");
    return 2;
  }
  if (child == 0) {
    setpgid(0, 0);
    execvp(argv[3], argv + 3);
    fprintf(stderr, "%s: %s\n", argv[3], strerror(errno));
    _exit(127);
  }
  setpgid(child, child);
  signal(SIGALRM, end_group);
  signal(SIGTERM, end_group);
  signal(SIGINT, end_group);
  alarm((unsigned)atoi(argv[2]));
  int status = 0;
  struct rusage used;
  while (wait4(child, &status, 0, &used) < 0) {
    if (errno != EINTR) {
      perror("wait4");
      return 2;
    }
  }
  long long wall = nanoseconds() - began;
  kill(-child, SIGKILL); /* whatever it left behind */
  long long cpu = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
  FILE *report = fopen(argv[1], "w");
  if (report == NULL) {
    perror(argv[1]);
    return 2;
  }
  fprintf(report, "{\"wallNs\":%lld,\"cpuUs\":%lld,\"rssKiB\":%ld,\"code\":%d,\"signal\":%d,\"late\":%s}\n", wall, cpu,
          used.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
          late ? "true" : "false");
  return fclose(report) == 0 ? 0 : 2;
}
