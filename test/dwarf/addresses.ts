import type { ObjectFile } from '../../src/object/object.ts';
import { seededRandom } from '../fuzz/mutate.ts';

/** File addresses, uniform over the executable sections, the same in every run. */
export function randomAddresses(object: ObjectFile, count: number): number[] {
  const sections = object.sections.filter(
    ({ executable, size, name }) => executable && size > 0 && !/^\.(plt|init|fini)/.test(name),
  );
  const total = sections.reduce((sum, { size }) => sum + size, 0);
  const random = seededRandom(1);
  return Array.from({ length: count }, () => {
    let offset = Math.floor(random() * total);
    const section = sections.find(({ size }) => {
      if (offset < size) return true;
      offset -= size;
      return false;
    })!;
    return section.address + offset;
  });
}
