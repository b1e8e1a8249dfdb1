/* Holds a pod's namespaces: waits until it is ended, and takes note of those that end in the pod. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) {
    _exit(0);
}

static void take_note(int signal) {
    while (waitpid(-1, 0, WNOHANG) > 0)
        ;
}

int main(void) {
    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGCHLD, take_note);
    for (;;)
        pause();
}
