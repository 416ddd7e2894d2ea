#!/usr/bin/env node
/** Where the command begins. To say the version takes no command line parser, which is half of what is loaded besides. */
import { VERSION } from '../version.ts';

const [, , first, ...others] = process.argv;
if ((first === '--version' || first === '-V') && others.length === 0) process.stdout.write(`${VERSION}\n`);
else await import('./program.ts');
