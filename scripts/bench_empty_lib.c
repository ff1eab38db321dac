/* Does nothing: what any preloaded library costs a program's start. */
void bench_empty(void);

void bench_empty(void)
{
}
