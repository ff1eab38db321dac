/* Symbols to be found by unit_loaded, in a library whose hash section is the older one. */
int loaded_first(void);
int loaded_last(void);

int loaded_first(void)
{
    return 1;
}

int loaded_last(void)
{
    return 2;
}
